//! A client that only folds delta pages by id ends with the tree that walking shows.

use std::collections::BTreeMap;

use axum::body::Body;
use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::common::{Harness, id};

#[derive(Debug, Clone)]
enum Step {
    Folder {
        parent: usize,
        name: u8,
    },
    Write {
        parent: usize,
        name: u8,
        bytes: u8,
    },
    Rename {
        item: usize,
        name: u8,
    },
    FlipCase {
        item: usize,
    },
    Move {
        item: usize,
        parent: usize,
    },
    Swap {
        one: usize,
        two: usize,
    },
    Delete {
        item: usize,
    },
    Share {
        item: usize,
    },
    /// The client reads one more page.
    Page,
    /// The client reads to the end.
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        2 => (place(), 0..6_u8).prop_map(|(parent, name)| Step::Folder { parent, name }),
        4 => (place(), 0..6_u8, any::<u8>()).prop_map(|(parent, name, bytes)| Step::Write { parent, name, bytes }),
        2 => (place(), 0..6_u8).prop_map(|(item, name)| Step::Rename { item, name }),
        1 => place().prop_map(|item| Step::FlipCase { item }),
        3 => (place(), place()).prop_map(|(item, parent)| Step::Move { item, parent }),
        1 => (place(), place()).prop_map(|(one, two)| Step::Swap { one, two }),
        2 => place().prop_map(|item| Step::Delete { item }),
        1 => place().prop_map(|item| Step::Share { item }),
        5 => proptest::strategy::Just(Step::Page),
        1 => proptest::strategy::Just(Step::Drain),
    ]
}

/// What is compared of an item: parent, name, size, quickXorHash, eTag.
type Shape = (String, String, i64, String, String);

fn shape(item: &Value) -> Shape {
    let text = |pointer: &str| {
        item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let size = if item.get("file").is_some() { item["size"].as_i64().unwrap() } else { 0 };
    (
        text("/parentReference/id"),
        text("/name"),
        size,
        text("/file/hashes/quickXorHash"),
        text("/eTag"),
    )
}

struct World {
    h: Harness,
    drive: String,
    folded: BTreeMap<String, Shape>,
    next: String,
}

impl World {
    async fn open() -> Self {
        let h = Harness::new();
        let drive = h.get(&format!("/users/{}/drive", h.facts.user_id)).await.body(200);
        let drive = format!("/drives/{}", id(&drive));
        Self { next: format!("{drive}/root/delta?$top=3"), folded: BTreeMap::new(), h, drive }
    }

    /// Reads one page; true at the end of a round.
    async fn page(&mut self) -> bool {
        let page = self.h.get(&self.next).await.body(200);
        for item in page["value"].as_array().unwrap() {
            if item.get("deleted").is_some() {
                self.folded.remove(id(item));
            } else {
                self.folded.insert(id(item).to_owned(), shape(item));
            }
        }
        let link = |name: &str| page[name].as_str().map(str::to_owned);
        let end = link("@odata.deltaLink");
        self.next = end.clone().or_else(|| link("@odata.nextLink")).unwrap();
        end.is_some()
    }

    async fn walk(&self) -> BTreeMap<String, Shape> {
        let root = self.h.get(&format!("{}/root", self.drive)).await.body(200);
        let mut found = BTreeMap::from([(id(&root).to_owned(), shape(&root))]);
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            let url = format!("{}/items/{}/children?$top=2", self.drive, id(&folder));
            let (children, _, _) = self.h.drain(&url).await;
            assert_eq!(folder["folder"]["childCount"], children.len());
            let size: i64 = children.iter().map(|child| child["size"].as_i64().unwrap()).sum();
            assert_eq!(folder["size"], size);
            for child in children {
                found.insert(id(&child).to_owned(), shape(&child));
                if child.get("folder").is_some() {
                    folders.push(child);
                }
            }
        }
        found
    }

    /// Ids as the tree is now; the root first.
    async fn items(&self, folders_only: bool) -> Vec<String> {
        let tree = self.walk().await;
        let (root, mut rest): (Vec<_>, Vec<_>) =
            tree.iter().partition(|(_, shape)| shape.0.is_empty());
        if folders_only {
            rest.retain(|(_, shape)| shape.3.is_empty());
        }
        root.into_iter().chain(rest).map(|(id, _)| id.clone()).collect()
    }

    async fn patch(&self, item: &str, body: Value) {
        // Clashes and cycles are refused, which is fine here.
        let status = self
            .h
            .json("PATCH", &format!("{}/items/{item}", self.drive), body)
            .await
            .status
            .as_u16();
        assert!(matches!(status, 200 | 400 | 404 | 409), "{status}");
    }

    async fn apply(&mut self, step: Step) {
        let pick = |items: &[String], index: usize| items[index % items.len()].clone();
        let names = |name: u8| format!("name{name}");
        match step {
            Step::Folder { parent, name } => {
                let parent = pick(&self.items(true).await, parent);
                let url = format!("{}/items/{parent}/children", self.drive);
                let status = self
                    .h
                    .json("POST", &url, json!({"name": names(name), "folder": {}}))
                    .await
                    .status
                    .as_u16();
                assert!(matches!(status, 201 | 409), "{status}");
            }
            Step::Write { parent, name, bytes } => {
                let parent = pick(&self.items(true).await, parent);
                let url = format!("{}/items/{parent}:/{}:/content", self.drive, names(name));
                let status =
                    self.h.put(&url, &vec![bytes; usize::from(bytes % 7)]).await.status.as_u16();
                assert!(matches!(status, 200 | 201 | 409), "{status}");
            }
            Step::Rename { item, name } => {
                let item = pick(&self.items(false).await, item);
                self.patch(&item, json!({"name": names(name)})).await;
            }
            Step::FlipCase { item } => {
                let item = pick(&self.items(false).await, item);
                let name = self.walk().await[&item].1.clone();
                let flipped = if name == name.to_uppercase() {
                    name.to_lowercase()
                } else {
                    name.to_uppercase()
                };
                self.patch(&item, json!({"name": flipped})).await;
            }
            Step::Move { item, parent } => {
                let (item, parent) =
                    (pick(&self.items(false).await, item), pick(&self.items(true).await, parent));
                self.patch(&item, json!({"parentReference": {"id": parent}})).await;
            }
            Step::Swap { one, two } => {
                let items = self.items(false).await;
                let (one, two) = (pick(&items, one), pick(&items, two));
                let tree = self.walk().await;
                let (first, second) = (tree[&one].1.clone(), tree[&two].1.clone());
                for (item, name) in [(&one, "swapping"), (&two, &first), (&one, &second)] {
                    self.patch(item, json!({"name": name})).await;
                }
            }
            Step::Delete { item } => {
                let item = pick(&self.items(false).await, item);
                self.h
                    .send("DELETE", &format!("{}/items/{item}", self.drive), &[], Body::empty())
                    .await;
            }
            Step::Share { item } => {
                let item = pick(&self.items(false).await, item);
                let body =
                    json!({"recipients": [{"objectId": self.h.facts.user_id}], "roles": ["read"]});
                self.h
                    .json("POST", &format!("{}/items/{item}/invite", self.drive), body)
                    .await
                    .expect(200);
            }
            Step::Page => {
                self.page().await;
            }
            Step::Drain => while !self.page().await {},
        }
    }
}

#[test]
fn folding_delta_equals_walking() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 24, max_shrink_iters: 200, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..50);
    runner
        .run(&steps, |steps| {
            runtime.block_on(async {
                let mut world = World::open().await;
                for step in steps {
                    world.apply(step).await;
                }
                // The round under way, then one with everything that it may have missed.
                while !world.page().await {}
                while !world.page().await {}
                assert_eq!(world.folded, world.walk().await);
            });
            Ok(())
        })
        .unwrap();
}
