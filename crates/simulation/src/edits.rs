//! Random edits of a library, as people and programs make them: through Graph, one request after the other.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::graph::Graph;

/// Names that have broken backup tools, and plain ones. All are legal in SharePoint.
const NAMES: [&str; 36] = [
    "Report.docx",
    "report.docx",
    "budget 2026.xlsx",
    "a",
    "B",
    "notes.txt",
    "Notes.TXT",
    "100% done & #1.txt",
    "file%21%22%23",
    "A random title # some text.docx",
    "plus+sign.txt",
    "it's (1) [x] {y} = z;,.txt",
    "caf\u{e9}.txt",
    "cafe\u{301}.txt",
    "\u{65e5}\u{672c}\u{8a9e}.md",
    "\u{1f600} smile.png",
    "stra\u{df}e",
    "STRASSE",
    "\u{39f}\u{394}\u{39f}\u{3a3}",
    "\u{3bf}\u{3b4}\u{3bf}\u{3c3}",
    "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
    "\u{212a}elvin",
    "kelvin",
    "\u{130}stanbul",
    "istanbul",
    "\u{17f}long",
    "slong",
    "unit.json",
    "index",
    "holdfast",
    "report.meta",
    "x.dirmeta",
    ".hidden",
    "no.ext.at.all",
    "two  spaces",
    "\u{a0}nbsp\u{200b}",
];
/// Above this many items deletions become likely.
const MANY: usize = 90;

/// Random numbers by one seed.
pub struct Dice(StdRng);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// From 0 on, below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.next_u64() % limit.max(1) as u64).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Bytes of a file: often small, sometimes empty, sometimes beyond what is kept in one piece.
    pub fn content(&mut self) -> Bytes {
        let size = match self.below(100) {
            0..8 => 0,
            // Other bytes of the same size tell who compares sizes only.
            8..33 => 1234,
            33..70 => 1 + self.below(3000),
            70..92 => self.below(60_000),
            92..97 => 100_000 + self.below(300_000),
            97..99 => 524_288 + self.below(400_000),
            _ => 2_097_152 + self.below(700_000),
        };
        self.bytes(size)
    }

    /// Half of them noise, half text that compresses.
    pub fn bytes(&mut self, size: usize) -> Bytes {
        let mut bytes = vec![0; size];
        if self.chance(50) {
            self.0.fill_bytes(&mut bytes);
        } else {
            let word = self.0.next_u64().to_string();
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = word.as_bytes()[(at + at / 97) % word.len()];
            }
        }
        bytes.into()
    }
}

#[derive(Debug, Clone)]
struct Item {
    parent: String,
    name: String,
    folder: bool,
}

/// What the editor knows of its library. Ordered by birth and path, never by id, so that a seed gives the same edits
/// whatever ids are given.
pub struct Editor {
    drive: String,
    root: String,
    users: Vec<String>,
    order: Vec<String>,
    items: BTreeMap<String, Item>,
}

impl Editor {
    /// # Errors
    /// When the library cannot be read.
    pub async fn open(graph: &Graph, drive: &str, root: &str) -> anyhow::Result<Self> {
        let users = graph.list("/v1.0/users").await?;
        let mut users: Vec<String> =
            users.iter().filter_map(|user| user["id"].as_str().map(str::to_owned)).collect();
        users.sort();
        let mut editor = Self {
            drive: drive.to_owned(),
            root: root.to_owned(),
            users,
            order: Vec::new(),
            items: BTreeMap::new(),
        };
        editor.reload(graph).await?;
        Ok(editor)
    }

    /// Reads the library anew, after somebody else changed it.
    ///
    /// # Errors
    /// When the library cannot be read.
    pub async fn reload(&mut self, graph: &Graph) -> anyhow::Result<()> {
        self.items.clear();
        self.order.clear();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let mut children = graph
                .list(&format!("/v1.0/drives/{}/items/{folder}/children?$top=1000", self.drive))
                .await?;
            children.sort_by_key(|child| child["name"].as_str().unwrap_or_default().to_owned());
            for child in children {
                let id = child["id"].as_str().context("an id")?.to_owned();
                let is_folder = child["folder"].is_object();
                if is_folder {
                    folders.push(id.clone());
                }
                self.insert(id, &folder, child["name"].as_str().unwrap_or_default(), is_folder);
            }
        }
        Ok(())
    }

    fn insert(&mut self, id: String, parent: &str, name: &str, folder: bool) {
        if self
            .items
            .insert(id.clone(), Item { parent: parent.to_owned(), name: name.to_owned(), folder })
            .is_none()
        {
            self.order.push(id);
        }
    }

    fn forget(&mut self, id: &str) {
        let mut gone: HashSet<String> = HashSet::from([id.to_owned()]);
        loop {
            let below: Vec<String> = self
                .items
                .iter()
                .filter(|(id, item)| gone.contains(&item.parent) && !gone.contains(*id))
                .map(|(id, _)| id.clone())
                .collect();
            if below.is_empty() {
                break;
            }
            gone.extend(below);
        }
        self.items.retain(|id, _| !gone.contains(id));
        self.order.retain(|id| !gone.contains(id));
    }

    fn any(&self, dice: &mut Dice, wanted: impl Fn(&Item) -> bool) -> Option<String> {
        let found: Vec<&String> = self.order.iter().filter(|id| wanted(&self.items[*id])).collect();
        dice.pick(&found).map(|id| (*id).clone())
    }

    fn any_folder(&self, dice: &mut Dice) -> String {
        if dice.chance(25) {
            return self.root.clone();
        }
        self.any(dice, |item| item.folder).unwrap_or_else(|| self.root.clone())
    }

    fn any_name(&self, dice: &mut Dice) -> String {
        if dice.chance(45) {
            (*dice.pick(&NAMES).expect("there are names")).to_owned()
        } else {
            format!(
                "{} {}",
                ["File", "Folder", "data", "Pl\u{e4}ne"][dice.below(4)],
                dice.below(40)
            )
        }
    }

    /// Makes one random edit; gives what was done, for a person who looks for a bug.
    ///
    /// # Errors
    /// What the service refuses, for example because a name is taken. Part of the edit may be done.
    pub async fn edit(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let many = self.order.len() > MANY;
        let (what, done) = match dice.below(100) {
            0..24 if !many => ("create", self.create(graph, dice).await),
            24..36 if !many => ("make folder", self.make_folder(graph, dice).await),
            0..48 if !many => ("overwrite", self.overwrite(graph, dice).await),
            0..8 => ("create", self.create(graph, dice).await),
            8..20 => ("overwrite", self.overwrite(graph, dice).await),
            20..54 if many => ("delete", self.delete(graph, dice).await),
            48..57 => ("rename", self.rename(graph, dice).await),
            57..64 => ("move", self.move_item(graph, dice).await),
            64..72 => ("swap names", self.swap(graph, dice).await),
            72..77 => ("delete", self.delete(graph, dice).await),
            77..82 => ("recreate", self.recreate(graph, dice).await),
            82..90 => ("permissions", self.change_permissions(graph, dice).await),
            90..94 => ("case", self.change_case(graph, dice).await),
            94..96 => ("recreate parent", self.recreate_parent(graph, dice).await),
            96..98 => ("turn upside down", self.invert(graph, dice).await),
            _ => ("times", self.set_times(graph, dice).await),
        };
        match done {
            Ok(done) => Ok(format!("{what}: {done}")),
            Err(error) => Err(error.context(what)),
        }
    }

    fn label(&self, id: &str) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(item) = self.items.get(at) {
            names.push(item.name.as_str());
            at = &item.parent;
        }
        names.reverse();
        names.join("/")
    }

    async fn create(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let (parent, name, content) = (self.any_folder(dice), self.any_name(dice), dice.content());
        let size = content.len();
        let made = graph.put_file(&self.drive, &parent, &name, content).await?;
        let id = made["id"].as_str().context("an id")?.to_owned();
        if !self.items.contains_key(&id) {
            self.insert(id.clone(), &parent, &name, false);
        }
        Ok(format!("{} of {size}", self.label(&id)))
    }

    async fn make_folder(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let (parent, name) = (self.any_folder(dice), self.any_name(dice));
        let id = self.new_folder(graph, &parent, &name).await?;
        Ok(self.label(&id))
    }

    async fn new_folder(
        &mut self,
        graph: &Graph,
        parent: &str,
        name: &str,
    ) -> anyhow::Result<String> {
        let made = graph.make_folder(&self.drive, parent, name).await?;
        let id = made["id"].as_str().context("an id")?.to_owned();
        self.insert(id.clone(), parent, name, true);
        Ok(id)
    }

    async fn overwrite(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let file = self.any(dice, |item| !item.folder).context("no file")?;
        let item = self.items[&file].clone();
        let content = dice.content();
        let size = content.len();
        graph.put_file(&self.drive, &item.parent, &item.name, content).await?;
        Ok(format!("{} with {size}", self.label(&file)))
    }

    async fn patch(
        &mut self,
        graph: &Graph,
        id: &str,
        name: &str,
        parent: &str,
    ) -> anyhow::Result<()> {
        let body = json!({"name": name, "parentReference": {"id": parent}});
        graph.patch(&self.drive, id, &body).await?;
        if let Some(item) = self.items.get_mut(id) {
            name.clone_into(&mut item.name);
            parent.clone_into(&mut item.parent);
        }
        Ok(())
    }

    async fn rename(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let (before, name, parent) =
            (self.label(&id), self.any_name(dice), self.items[&id].parent.clone());
        self.patch(graph, &id, &name, &parent).await?;
        Ok(format!("{before} to {name}"))
    }

    async fn move_item(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let (before, parent, name) =
            (self.label(&id), self.any_folder(dice), self.items[&id].name.clone());
        self.patch(graph, &id, &name, &parent).await?;
        Ok(format!("{before} to {}", self.label(&id)))
    }

    /// Two items take each other's place, by way of a third name.
    async fn swap(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let (left, right) = (
            self.any(dice, |_| true).context("nothing")?,
            self.any(dice, |_| true).context("nothing")?,
        );
        let (one, other) = (self.items[&left].clone(), self.items[&right].clone());
        anyhow::ensure!(left != right, "the same");
        let label = format!("{} and {}", self.label(&left), self.label(&right));
        self.patch(graph, &left, "in between", &one.parent).await?;
        let swapped = self.patch(graph, &right, &one.name, &one.parent).await;
        let swapped = match swapped {
            Ok(()) => self.patch(graph, &left, &other.name, &other.parent).await,
            Err(error) => Err(error),
        };
        swapped?;
        Ok(label)
    }

    async fn delete(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let label = self.label(&id);
        graph.delete(&self.drive, &id).await?;
        self.forget(&id);
        Ok(label)
    }

    /// Something of the same name, and perhaps of another kind, comes at once.
    async fn recreate(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let (label, item) = (self.label(&id), self.items[&id].clone());
        graph.delete(&self.drive, &id).await?;
        self.forget(&id);
        if dice.chance(40) {
            self.new_folder(graph, &item.parent, &item.name).await?;
        } else {
            let made =
                graph.put_file(&self.drive, &item.parent, &item.name, dice.content()).await?;
            self.insert(
                made["id"].as_str().context("an id")?.to_owned(),
                &item.parent,
                &item.name,
                false,
            );
        }
        Ok(label)
    }

    async fn change_permissions(
        &mut self,
        graph: &Graph,
        dice: &mut Dice,
    ) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let path = format!("/v1.0/drives/{}/items/{id}/permissions", self.drive);
        let direct: Vec<Value> = graph
            .list(&path)
            .await?
            .into_iter()
            .filter(|permission| !permission["inheritedFrom"].is_object())
            .collect();
        if let Some(one) = direct.first().filter(|_| dice.chance(50)) {
            let one = one["id"].as_str().context("an id")?;
            graph.call(Method::DELETE, &format!("{path}/{one}"), &Value::Null).await?.ok()?;
            return Ok(format!("{} less", self.label(&id)));
        }
        let user = dice.pick(&self.users).context("no users")?.clone();
        let role = ["read", "write"][dice.below(2)];
        graph.invite(&self.drive, &id, &user, role).await?;
        Ok(format!("{} {role}", self.label(&id)))
    }

    async fn change_case(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let item = self.items[&id].clone();
        let upper = item.name.to_ascii_uppercase();
        let name = if upper == item.name { item.name.to_ascii_lowercase() } else { upper };
        self.patch(graph, &id, &name, &item.parent).await?;
        Ok(format!("{} to {name}", item.name))
    }

    /// Case D07: a child is moved out, its parent deleted and made again under its name, and the child moved back.
    async fn recreate_parent(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let root = self.root.clone();
        let child = self.any(dice, |item| item.parent != root).context("nothing deep")?;
        let (item, label) = (self.items[&child].clone(), self.label(&child));
        let parent = self.items[&item.parent].clone();
        self.patch(graph, &child, "moved out for a moment", &root).await?;
        graph.delete(&self.drive, &item.parent).await?;
        self.forget(&item.parent);
        let made = self.new_folder(graph, &parent.parent, &parent.name).await?;
        self.patch(graph, &child, &item.name, &made).await?;
        Ok(label)
    }

    /// A folder moves below what was its child.
    async fn invert(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let root = self.root.clone();
        let child =
            self.any(dice, |item| item.folder && item.parent != root).context("nothing deep")?;
        let (label, item) = (self.label(&child), self.items[&child].clone());
        let parent = self.items[&item.parent].clone();
        self.patch(graph, &child, &item.name, &parent.parent).await?;
        self.patch(graph, &item.parent, &parent.name, &child).await?;
        Ok(label)
    }

    async fn set_times(&mut self, graph: &Graph, dice: &mut Dice) -> anyhow::Result<String> {
        let id = self.any(dice, |_| true).context("nothing")?;
        let time = |dice: &mut Dice| {
            format!(
                "20{:02}-0{}-1{}T0{}:11:12Z",
                dice.below(26),
                1 + dice.below(9),
                dice.below(10),
                dice.below(10)
            )
        };
        let (created, modified) = (time(dice), time(dice));
        let body = json!({"fileSystemInfo": {"createdDateTime": created, "lastModifiedDateTime": modified}});
        graph.patch(&self.drive, &id, &body).await?;
        Ok(format!("{} {modified}", self.label(&id)))
    }
}
