//! The difference between a library as it is and as a restore point has it, as steps that lead from one to the other.
//!
//! Items match by id, then by case-folded path, since a restored item gets a new id on a real tenant. Content is equal
//! when size and quickXorHash are. [`plan`] is pure: the same two pictures give the same steps.
//!
//! The order of the steps makes every one of them possible: first whatever stands in another's way goes aside, then
//! folders are made and moved from the root down (a folder moves only under a parent that has its final place, so no cycle
//! arises), then files, then what the point does not have is deleted, when everything that stays has left it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use holdfast_connector::Times;
use holdfast_domain::ItemId;
use holdfast_repository::BlobId;
use holdfast_store::{CatalogueItem, ItemKind};

/// An item of the restore point. Ids are those of its time; the root has the live root's id.
#[derive(Debug, Clone)]
pub(crate) struct TargetItem {
    pub(crate) id: ItemId,
    pub(crate) parent: ItemId,
    pub(crate) name: String,
    pub(crate) times: Times,
    pub(crate) kind: TargetKind,
    /// As `layout::grants_text` writes them.
    pub(crate) permissions: Option<String>,
    /// An older version than was current then.
    pub(crate) stale: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum TargetKind {
    Folder,
    File { size: u64, quick_xor_hash: String, content: Vec<BlobId> },
}

/// Both pictures of one library, as far as they differ.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    pub(crate) target: BTreeMap<ItemId, TargetItem>,
    pub(crate) live: BTreeMap<ItemId, CatalogueItem>,
}

/// An item that the steps must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftAlone {
    /// The live item, or the target item when there is none.
    pub(crate) item: ItemId,
    pub(crate) path: String,
    pub(crate) why: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Live files that stand in another's way and are not in the point.
    pub(crate) delete_first: Vec<ItemId>,
    /// Live items that stand in another's way until they reach their own place.
    pub(crate) put_aside: Vec<ItemId>,
    /// Parents before children.
    pub(crate) folders: Vec<Step>,
    pub(crate) files: Vec<Step>,
    /// The topmost live items that are not in the point.
    pub(crate) delete_last: Vec<ItemId>,
    /// Deepest first.
    pub(crate) folder_times: Vec<(ItemId, Times)>,
    pub(crate) permissions: Vec<PermissionStep>,
    /// The live id of every target folder that exists, the root included.
    pub(crate) places: HashMap<ItemId, ItemId>,
    pub(crate) left_alone: Vec<LeftAlone>,
}

/// What one target item needs.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) target: ItemId,
    /// The live item that becomes it; `None`: it is made.
    pub(crate) live: Option<ItemId>,
    /// It has another name or parent now.
    pub(crate) moves: bool,
    /// A file's bytes differ.
    pub(crate) writes: bool,
    /// A file's times differ (folders' times come last).
    pub(crate) times: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct PermissionStep {
    pub(crate) target: ItemId,
    pub(crate) live: Option<ItemId>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.delete_first.is_empty()
            && self.put_aside.is_empty()
            && self.folders.is_empty()
            && self.files.is_empty()
            && self.delete_last.is_empty()
            && self.folder_times.is_empty()
            && self.permissions.is_empty()
    }

    /// Items to touch, and bytes to write.
    pub(crate) fn totals(&self, pictures: &Pictures) -> (u64, u64) {
        let items = self.delete_first.len()
            + self.folders.len()
            + self.files.len()
            + self.delete_last.len()
            + self.folder_times.len()
            + self.permissions.len();
        let bytes =
            self.files.iter().filter(|step| step.writes).filter_map(|step| {
                match &pictures.target.get(&step.target)?.kind {
                    TargetKind::File { size, .. } => Some(*size),
                    TargetKind::Folder => None,
                }
            });
        (items as u64, bytes.sum())
    }
}

/// Names are compared as SharePoint does: without regard to case, each character by itself (`spec/graph-content-api.md`
/// 8.5). A character whose upper case is more than one character stays as it is. Lower case would be another relation:
/// it tells `ſ` from `s` and both forms of the small sigma from each other, and the service does not.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .map(|character| {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => character,
            }
        })
        .collect()
}

/// The steps from `pictures.live` to `pictures.target`. `root` is in neither. `gaps`: items of which the point lacks the
/// version of its time; they and the folders above them are neither deleted, overwritten nor moved.
pub(crate) fn plan(pictures: &Pictures, root: &ItemId, gaps: &HashSet<ItemId>) -> Plan {
    Planning {
        pictures,
        root,
        kept: kept_live(pictures, gaps),
        matched: HashMap::new(),
        taken: HashSet::new(),
        blocked: HashSet::new(),
        plan: Plan::default(),
    }
    .run(gaps)
}

/// Live items that are gaps of the point, and the live folders above them.
fn kept_live(pictures: &Pictures, gaps: &HashSet<ItemId>) -> HashSet<ItemId> {
    let mut kept = HashSet::new();
    for gap in gaps {
        let mut current = pictures.live.get(gap);
        while let Some(item) = current {
            if !kept.insert(item.item.clone()) {
                break;
            }
            current = item.parent.as_ref().and_then(|parent| pictures.live.get(parent));
        }
    }
    kept
}

struct Planning<'a> {
    pictures: &'a Pictures,
    root: &'a ItemId,
    kept: HashSet<ItemId>,
    /// Target id to live id.
    matched: HashMap<ItemId, ItemId>,
    /// Live ids that are somebody's match.
    taken: HashSet<ItemId>,
    /// Target folders that cannot be made, since a kept item has their name: what is below cannot either.
    blocked: HashSet<ItemId>,
    plan: Plan,
}

impl Planning<'_> {
    fn run(mut self, gaps: &HashSet<ItemId>) -> Plan {
        self.match_by_id();
        let order = self.top_down();
        self.match_by_path(&order);
        self.clear_the_way(&order, gaps);
        for target in &order {
            self.add_steps(target, gaps);
        }
        self.plan.folder_times.reverse();
        self.add_deletions();
        let folders =
            self.pictures.target.values().filter(|item| matches!(item.kind, TargetKind::Folder));
        self.plan.places = folders
            .filter_map(|item| Some((item.id.clone(), self.matched.get(&item.id)?.clone())))
            .collect();
        self.plan.places.insert(self.root.clone(), self.root.clone());
        self.plan
    }

    fn take(&mut self, target: &ItemId, live: &ItemId) {
        self.matched.insert(target.clone(), live.clone());
        self.taken.insert(live.clone());
    }

    fn match_by_id(&mut self) {
        for (id, target) in &self.pictures.target {
            if self.pictures.live.get(id).is_some_and(|live| same_kind(target, live)) {
                self.take(id, id);
            }
        }
    }

    /// Target items, parents before children. One whose parent is not in the pictures belongs to an equal part: none exists.
    fn top_down(&self) -> Vec<ItemId> {
        let mut children: BTreeMap<&ItemId, Vec<&ItemId>> = BTreeMap::new();
        for item in self.pictures.target.values() {
            children.entry(&item.parent).or_default().push(&item.id);
        }
        let mut order: Vec<ItemId> = Vec::with_capacity(self.pictures.target.len());
        let mut next = vec![self.root];
        while let Some(folder) = next.pop() {
            for child in children.remove(folder).into_iter().flatten() {
                order.push(child.clone());
                next.push(child);
            }
        }
        order
    }

    fn match_by_path(&mut self, order: &[ItemId]) {
        let by_slot = self.live_slots();
        for id in order {
            let target = &self.pictures.target[id];
            if self.matched.contains_key(id) {
                continue;
            }
            let Some(parent) = self.live_of(&target.parent) else { continue };
            let Some(live) = by_slot.get(&(parent, fold(&target.name))) else { continue };
            if !self.taken.contains(live) && same_kind(target, &self.pictures.live[live]) {
                self.take(id, live);
            }
        }
    }

    fn live_slots(&self) -> HashMap<(ItemId, String), ItemId> {
        self.pictures
            .live
            .values()
            .filter_map(|item| Some(((item.parent.clone()?, fold(&item.name)), item.item.clone())))
            .collect()
    }

    /// The live folder that is, or becomes, this target folder.
    fn live_of(&self, target: &ItemId) -> Option<ItemId> {
        if target == self.root {
            Some(self.root.clone())
        } else {
            self.matched.get(target).cloned()
        }
    }

    /// Finds the live items whose names others need.
    fn clear_the_way(&mut self, order: &[ItemId], gaps: &HashSet<ItemId>) {
        let by_slot = self.live_slots();
        let mut aside = BTreeSet::new();
        for id in order {
            let target = &self.pictures.target[id];
            if self.blocked.contains(&target.parent) {
                self.blocked.insert(id.clone());
                continue;
            }
            let Some(parent) = self.live_of(&target.parent) else { continue };
            let Some(occupant) = by_slot.get(&(parent, fold(&target.name))) else { continue };
            if self.matched.get(id) == Some(occupant) || !aside.insert(occupant.clone()) {
                continue;
            }
            if self.kept.contains(occupant) {
                let why =
                    if gaps.contains(id) { "gapInRestorePoint" } else { "nameOfGapInRestorePoint" };
                let path = self.target_path(id);
                self.plan.left_alone.push(LeftAlone { item: id.clone(), path, why });
                self.blocked.insert(id.clone());
            } else if !self.taken.contains(occupant)
                && matches!(self.pictures.live[occupant].kind, ItemKind::File { .. })
            {
                self.plan.delete_first.push(occupant.clone());
            } else {
                self.plan.put_aside.push(occupant.clone());
            }
        }
    }

    fn add_steps(&mut self, id: &ItemId, gaps: &HashSet<ItemId>) {
        let target = &self.pictures.target[id];
        if self.blocked.contains(id) {
            return;
        }
        let live = self.matched.get(id).and_then(|live| self.pictures.live.get(live));
        let Some(live) = live else {
            let step =
                Step { target: id.clone(), live: None, moves: false, writes: true, times: false };
            match target.kind {
                TargetKind::Folder => self.plan.folders.push(step),
                TargetKind::File { .. } => self.plan.files.push(step),
            }
            if target.permissions.is_some() {
                self.plan.permissions.push(PermissionStep { target: id.clone(), live: None });
            }
            if target.stale {
                let path = self.target_path(id);
                self.plan.left_alone.push(LeftAlone {
                    item: id.clone(),
                    path,
                    why: "olderVersionRestored",
                });
            }
            return;
        };
        let moves = live.name != target.name || live.parent != self.live_of(&target.parent);
        let writes = match (&target.kind, &live.kind) {
            (
                TargetKind::File { size, quick_xor_hash, .. },
                ItemKind::File { size: live_size, quick_xor_hash: live_hash, .. },
            ) => {
                size != live_size
                    || quick_xor_hash != live_hash
                    // The catalogue has an older version than the one that is there.
                    || live.gap.is_some()
                    || (quick_xor_hash.is_empty() && *size > 0)
            }
            (TargetKind::Folder, _) | (_, ItemKind::Folder { .. }) => false,
        };
        let times = target.times != (Times { created: live.created, modified: live.modified });
        if self.kept.contains(&live.item) {
            if gaps.contains(id) || moves || writes {
                let path = self.target_path(id);
                self.plan.left_alone.push(LeftAlone {
                    item: id.clone(),
                    path,
                    why: "gapInRestorePoint",
                });
            }
            return;
        }
        let step = Step { target: id.clone(), live: Some(live.item.clone()), moves, writes, times };
        match target.kind {
            TargetKind::Folder => {
                if moves {
                    self.plan.folders.push(step);
                }
                if times {
                    self.plan.folder_times.push((id.clone(), target.times));
                }
            }
            TargetKind::File { .. } if moves || writes || times => self.plan.files.push(step),
            TargetKind::File { .. } => {}
        }
        if target.permissions != live.permissions {
            self.plan
                .permissions
                .push(PermissionStep { target: id.clone(), live: Some(live.item.clone()) });
        }
    }

    fn add_deletions(&mut self) {
        let early: HashSet<&ItemId> = self.plan.delete_first.iter().collect();
        let goes = |item: &CatalogueItem| {
            !self.taken.contains(&item.item) && !self.kept.contains(&item.item)
        };
        let topmost = self
            .pictures
            .live
            .values()
            .filter(|item| goes(item) && !early.contains(&item.item))
            .filter(|item| {
                let above = item.parent.as_ref().and_then(|parent| self.pictures.live.get(parent));
                !above.is_some_and(goes)
            });
        self.plan.delete_last = topmost.map(|item| item.item.clone()).collect();
        // A kept item that the point does not have at all is listed too.
        for item in self.pictures.live.values().filter(|item| {
            self.kept.contains(&item.item)
                && !self.taken.contains(&item.item)
                && matches!(item.kind, ItemKind::File { .. })
        }) {
            self.plan.left_alone.push(LeftAlone {
                item: item.item.clone(),
                path: live_path(self.pictures, &item.item),
                why: "gapInRestorePoint",
            });
        }
    }

    fn target_path(&self, id: &ItemId) -> String {
        target_path(self.pictures, id)
    }
}

/// The item's path in the library, as the point has it.
pub(crate) fn target_path(pictures: &Pictures, id: &ItemId) -> String {
    let mut names = Vec::new();
    let mut current = pictures.target.get(id);
    while let Some(item) = current {
        names.push(item.name.as_str());
        current = pictures.target.get(&item.parent);
    }
    names.reverse();
    names.join("/")
}

/// The item's path in the library as it is.
pub(crate) fn live_path(pictures: &Pictures, id: &ItemId) -> String {
    let mut names = Vec::new();
    let mut current = pictures.live.get(id);
    while let Some(item) = current {
        names.push(item.name.as_str());
        current = item.parent.as_ref().and_then(|parent| pictures.live.get(parent));
    }
    names.reverse();
    names.join("/")
}

fn same_kind(target: &TargetItem, live: &CatalogueItem) -> bool {
    matches!(
        (&target.kind, &live.kind),
        (TargetKind::Folder, ItemKind::Folder { .. })
            | (TargetKind::File { .. }, ItemKind::File { .. })
    )
}

#[cfg(test)]
mod tests {
    use holdfast_domain::{DriveId, Timestamp};
    use holdfast_store::FileContent;

    use super::*;

    fn times() -> Times {
        let time = Timestamp::from_unix_seconds(1).expect("in range");
        Times { created: time, modified: time }
    }

    fn target(id: &str, name: &str) -> (ItemId, TargetItem) {
        let kind = TargetKind::File { size: 0, quick_xor_hash: String::new(), content: Vec::new() };
        let item = TargetItem {
            id: ItemId::new(id),
            parent: ItemId::new("root"),
            name: name.to_owned(),
            times: times(),
            kind,
            permissions: None,
            stale: false,
        };
        (ItemId::new(id), item)
    }

    fn live(id: &str, name: &str) -> (ItemId, CatalogueItem) {
        let item = CatalogueItem {
            drive: DriveId::new("drive"),
            item: ItemId::new(id),
            parent: Some(ItemId::new("root")),
            name: name.to_owned(),
            etag: String::new(),
            created: times().created,
            modified: times().modified,
            kind: ItemKind::File {
                size: 0,
                quick_xor_hash: String::new(),
                content: FileContent::Stored(Vec::new()),
            },
            permissions: None,
            gap: None,
        };
        (ItemId::new(id), item)
    }

    #[test]
    fn names_stand_in_each_others_way_as_the_service_compares_them() {
        let check = |wanted: &str, present: &str, in_the_way: bool| {
            let pictures = Pictures {
                target: [target("a", wanted)].into(),
                live: [live("a", "elsewhere"), live("b", present)].into(),
            };
            let plan = plan(&pictures, &ItemId::new("root"), &HashSet::new());
            assert_eq!(!plan.delete_first.is_empty(), in_the_way, "{wanted} {present}");
            assert_eq!(plan.delete_last.is_empty(), in_the_way, "{wanted} {present}");
        };
        check("Report", "REPORT", true);
        check("slong", "\u{17f}long", true);
        check("\u{3bf}\u{3b4}\u{3bf}\u{3c3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}", true);
        check("stra\u{df}e", "STRASSE", false);
        check("kelvin", "\u{212a}elvin", false);
    }
}
