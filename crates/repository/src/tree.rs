//! Trees: the entries of one folder, as restic stores them, byte for byte.
//!
//! Names are strictly ascending by their bytes, hence unique; a name is one path component. Both hold for every [`Tree`],
//! built or loaded: restic itself accepts trees without them and restores less than they name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::id::BlobId;
use crate::quote::{quote, unquote};

/// Go's mode bit for directories.
const DIRECTORY_MODE_BIT: u32 = 1 << 31;
const PERMISSION_MASK: u32 = 0o777;
/// The first second of the year 0, the earliest that Go's JSON can carry.
const EARLIEST_SECOND: i64 = -62_167_219_200;

/// Why entries do not form a tree. The text leaves names out, because they may be private; the fields have them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Not one path component: empty, `.`, `..`, or with `/` or NUL.
    #[error("a name is no single path component")]
    InvalidName {
        /// The refused name.
        name: String,
    },
    /// Two entries have this name.
    #[error("two entries have the same name")]
    DuplicateName {
        /// The name that came twice.
        name: String,
    },
    /// Entries are not in ascending order of their names' bytes.
    #[error("entries are not in the order of their names' bytes")]
    OutOfOrder {
        /// The name that came too late.
        name: String,
    },
    /// The stored text is no tree of files and directories.
    #[error("the stored tree is malformed: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The entries of one folder, in ascending order of their names' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// One path component.
    pub name: String,
    /// What the entry is, with its content.
    pub kind: NodeKind,
    /// When the content was last modified.
    pub modified: Timestamp,
    /// When it was last read; restic's tools show it.
    pub accessed: Timestamp,
    /// When its metadata last changed.
    pub changed: Timestamp,
    /// Permission bits, of which 0o777 are kept.
    pub mode: u32,
    /// Names with values; keep them under 1 KiB together, since they are repeated whenever the folder changes.
    pub extended_attributes: Vec<(String, Vec<u8>)>,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A file.
    File {
        /// Length in bytes.
        size: u64,
        /// The data blobs that follow each other in it.
        content: Vec<BlobId>,
    },
    /// A folder.
    Directory {
        /// The tree blob with its entries.
        subtree: BlobId,
    },
}

impl Node {
    /// A file with mode 0644 whose three times are `modified`.
    #[must_use]
    pub fn file(name: String, size: u64, content: Vec<BlobId>, modified: Timestamp) -> Self {
        Self::new(name, NodeKind::File { size, content }, modified, 0o644)
    }

    /// A folder with mode 0755 whose three times are `modified`.
    #[must_use]
    pub fn directory(name: String, subtree: BlobId, modified: Timestamp) -> Self {
        Self::new(name, NodeKind::Directory { subtree }, modified, 0o755)
    }

    fn new(name: String, kind: NodeKind, modified: Timestamp, mode: u32) -> Self {
        Self {
            name,
            kind,
            modified,
            accessed: modified,
            changed: modified,
            mode,
            extended_attributes: Vec::new(),
        }
    }
}

impl Tree {
    /// A tree without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// A tree of these entries, in any order.
    ///
    /// # Errors
    /// [`TreeError::InvalidName`] and [`TreeError::DuplicateName`].
    pub fn from_unsorted(mut nodes: Vec<Node>) -> Result<Self, TreeError> {
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        let mut tree = Self { nodes: Vec::with_capacity(nodes.len()) };
        for node in nodes {
            tree.push(node)?;
        }
        Ok(tree)
    }

    /// Adds an entry whose name comes after all others by its bytes.
    ///
    /// # Errors
    /// [`TreeError::InvalidName`], [`TreeError::DuplicateName`] and [`TreeError::OutOfOrder`]; the tree is unchanged then.
    pub fn push(&mut self, node: Node) -> Result<(), TreeError> {
        if matches!(node.name.as_str(), "" | "." | "..") || node.name.contains(['/', '\0']) {
            return Err(TreeError::InvalidName { name: node.name });
        }
        match self.nodes.last().map(|last| last.name.cmp(&node.name)) {
            Some(std::cmp::Ordering::Equal) => Err(TreeError::DuplicateName { name: node.name }),
            Some(std::cmp::Ordering::Greater) => Err(TreeError::OutOfOrder { name: node.name }),
            Some(std::cmp::Ordering::Less) | None => {
                self.nodes.push(node);
                Ok(())
            }
        }
    }

    /// The entries, in ascending order of their names' bytes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The entries, given away.
    #[must_use]
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// The entry with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        let position = self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()?;
        self.nodes.get(position)
    }

    /// The bytes that are stored, which decide the tree's id.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut json = String::with_capacity(16 + self.nodes.len() * 320);
        json.push_str("{\"nodes\":[");
        for (position, node) in self.nodes.iter().enumerate() {
            if position > 0 {
                json.push(',');
            }
            encode_node(node, &mut json);
        }
        json.push_str("]}\n");
        json.into_bytes()
    }

    pub(crate) fn decode(stored: &[u8]) -> Result<Self, TreeError> {
        let tree: TreeJson = serde_json::from_slice(stored)
            .map_err(|_| TreeError::Malformed { what: "it is not the JSON of a tree" })?;
        let nodes = tree.nodes.unwrap_or_default();
        let mut tree = Self { nodes: Vec::with_capacity(nodes.len()) };
        for node in nodes {
            tree.push(node.try_into()?)?;
        }
        Ok(tree)
    }
}

/// Fields in restic's order. Its own tools compare the bytes when they rewrite a tree.
fn encode_node(node: &Node, json: &mut String) {
    json.push_str("{\"name\":");
    push_json_string(&quote(&node.name), json);
    let (kind, mode_bit) = match node.kind {
        NodeKind::File { .. } => ("file", 0),
        NodeKind::Directory { .. } => ("dir", DIRECTORY_MODE_BIT),
    };
    json.push_str(",\"type\":\"");
    json.push_str(kind);
    json.push('"');
    let mode = node.mode & PERMISSION_MASK | mode_bit;
    if mode != 0 {
        json.push_str(",\"mode\":");
        json.push_str(&mode.to_string());
    }
    for (name, time) in
        [("mtime", node.modified), ("atime", node.accessed), ("ctime", node.changed)]
    {
        json.push_str(",\"");
        json.push_str(name);
        json.push_str("\":\"");
        json.push_str(&format_time(time));
        json.push('"');
    }
    json.push_str(",\"uid\":0,\"gid\":0");
    if let NodeKind::File { size, .. } = node.kind
        && size != 0
    {
        json.push_str(",\"size\":");
        json.push_str(&size.to_string());
    }
    if !node.extended_attributes.is_empty() {
        json.push_str(",\"extended_attributes\":[");
        for (position, (name, value)) in node.extended_attributes.iter().enumerate() {
            json.push_str(if position > 0 { ",{\"name\":" } else { "{\"name\":" });
            push_json_string(name, json);
            json.push_str(",\"value\":\"");
            STANDARD.encode_string(value, json);
            json.push_str("\"}");
        }
        json.push(']');
    }
    match &node.kind {
        NodeKind::File { content, .. } => {
            json.push_str(",\"content\":[");
            for (position, id) in content.iter().enumerate() {
                json.push_str(if position > 0 { ",\"" } else { "\"" });
                json.push_str(&id.to_string());
                json.push('"');
            }
            json.push(']');
        }
        NodeKind::Directory { subtree } => {
            json.push_str(",\"content\":null,\"subtree\":\"");
            json.push_str(&subtree.to_string());
            json.push('"');
        }
    }
    json.push('}');
}

/// RFC 3339 with as many decimals as needed, within the years that Go can write.
fn format_time(time: Timestamp) -> String {
    let earliest = Timestamp::constant(EARLIEST_SECOND, 0);
    time.max(earliest).to_string()
}

/// A JSON string as Go's encoder writes it, which also escapes what is special in HTML and JavaScript.
fn push_json_string(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[derive(Deserialize)]
struct TreeJson {
    nodes: Option<Vec<NodeJson>>,
}

#[derive(Deserialize)]
struct NodeJson {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    mode: u32,
    mtime: Timestamp,
    atime: Timestamp,
    ctime: Timestamp,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    extended_attributes: Vec<AttributeJson>,
    content: Option<Vec<BlobId>>,
    subtree: Option<BlobId>,
}

#[derive(Deserialize)]
struct AttributeJson {
    name: String,
    value: Option<String>,
}

impl TryFrom<NodeJson> for Node {
    type Error = TreeError;

    fn try_from(json: NodeJson) -> Result<Self, TreeError> {
        let malformed = |what| TreeError::Malformed { what };
        let kind = match (json.kind.as_str(), json.subtree) {
            ("file", None) => {
                NodeKind::File { size: json.size, content: json.content.unwrap_or_default() }
            }
            ("dir", Some(subtree)) => NodeKind::Directory { subtree },
            ("file" | "dir", _) => {
                return Err(malformed("a folder has no subtree, or a file has one"));
            }
            _ => return Err(malformed("an entry is neither file nor folder")),
        };
        let decode_attribute = |attribute: AttributeJson| {
            let value = STANDARD.decode(attribute.value.unwrap_or_default());
            value
                .map(|value| (attribute.name, value))
                .map_err(|_| malformed("an attribute is not base64"))
        };
        Ok(Self {
            name: unquote(&json.name).ok_or(malformed("a name is not quoted UTF-8"))?,
            kind,
            modified: json.mtime,
            accessed: json.atime,
            changed: json.ctime,
            mode: json.mode & PERMISSION_MASK,
            extended_attributes: json
                .extended_attributes
                .into_iter()
                .map(decode_attribute)
                .collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(name: &str) -> Node {
        Node::file(name.to_owned(), 3, vec![BlobId::of(b"abc")], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn bytes_are_restics() {
        let time: Timestamp = "2024-02-29T12:00:00.12Z".parse().unwrap();
        let mut report = Node::file("a <\"b\"> & c\n.txt".to_owned(), 0, Vec::new(), time);
        report.extended_attributes.push(("user.holdfast".to_owned(), b"value".to_vec()));
        let folder = Node::directory("b".to_owned(), BlobId::from_bytes([0x11; 32]), time);
        let tree = Tree::from_unsorted(vec![folder, report]).unwrap();
        let times = concat!(
            r#""mtime":"2024-02-29T12:00:00.12Z","atime":"2024-02-29T12:00:00.12Z","#,
            r#""ctime":"2024-02-29T12:00:00.12Z","uid":0,"gid":0"#
        );
        let expected = format!(
            concat!(
                r#"{{"nodes":[{{"name":"a \u003c\\\"b\\\"\u003e \u0026 c\\n.txt","type":"file","mode":420,{},"#,
                r#""extended_attributes":[{{"name":"user.holdfast","value":"dmFsdWU="}}],"content":[]}},"#,
                r#"{{"name":"b","type":"dir","mode":2147484141,{},"content":null,"subtree":"{}"}}]}}"#,
                "\n"
            ),
            times,
            times,
            "11".repeat(32)
        );
        assert_eq!(String::from_utf8(tree.encode()).unwrap(), expected);
        assert_eq!(Tree::decode(expected.as_bytes()).unwrap(), tree);
        assert_eq!(Tree::new().encode(), b"{\"nodes\":[]}\n");
    }

    #[test]
    fn order_uniqueness_and_names_are_enforced() {
        let mut tree = Tree::new();
        tree.push(file("b")).unwrap();
        assert_eq!(tree.push(file("b")), Err(TreeError::DuplicateName { name: "b".to_owned() }));
        assert_eq!(tree.push(file("B")), Err(TreeError::OutOfOrder { name: "B".to_owned() }));
        for name in ["", ".", "..", "c/d", "/", "c\0"] {
            assert_eq!(
                tree.push(file(name)),
                Err(TreeError::InvalidName { name: name.to_owned() })
            );
        }
        tree.push(file("é")).unwrap();
        assert_eq!(tree.nodes().len(), 2);
        assert_eq!(tree.get("é"), Some(&file("é")));
        assert_eq!(tree.get("x"), None);
        let twice = Tree::from_unsorted(vec![file("x"), file("a"), file("x")]);
        assert_eq!(twice, Err(TreeError::DuplicateName { name: "x".to_owned() }));
    }

    #[test]
    fn stored_trees_out_of_order_are_refused() {
        let stored =
            String::from_utf8(Tree::from_unsorted(vec![file("a"), file("b")]).unwrap().encode())
                .unwrap();
        let swapped = stored.replace("\"a\"", "\"c\"");
        assert_eq!(
            Tree::decode(swapped.as_bytes()),
            Err(TreeError::OutOfOrder { name: "b".to_owned() })
        );
        let doubled = stored.replace("\"a\"", "\"b\"");
        assert_eq!(
            Tree::decode(doubled.as_bytes()),
            Err(TreeError::DuplicateName { name: "b".to_owned() })
        );
        let outside = stored.replace("\"b\"", "\"b/../../c\"");
        assert!(matches!(Tree::decode(outside.as_bytes()), Err(TreeError::InvalidName { .. })));
        assert!(matches!(Tree::decode(b"[]"), Err(TreeError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn every_tree_comes_back(
            names in proptest::collection::btree_set("[^/\0]{1,20}", 0..20),
            seconds in -62_167_219_200_i64..253_402_207_199,
            nanoseconds in 0..1_000_000_000_i32,
            size in any::<u64>(),
        ) {
            let time = Timestamp::new(seconds, nanoseconds);
            prop_assume!(time.is_ok());
            let nodes = names.into_iter().filter(|name| name != "." && name != "..").map(|name| {
                Node::file(name, size, vec![BlobId::of(b"abc"); 2], time.clone().unwrap())
            });
            let tree = Tree::from_unsorted(nodes.collect()).unwrap();
            prop_assert_eq!(Tree::decode(&tree.encode()).unwrap(), tree);
        }
    }
}
