//! Cases of staging, publishing and the catalogue.

use std::time::Duration;

use holdfast_domain::{ItemId, RestorePoint, SeededEntropy};

use super::{at, begin, drive, file, folder, point, publication, published_unit, put};
use crate::query::{Filter, ListQuery, RestorePointColumn};
use crate::{CatalogueItem, ContentHint, ItemKind, Listed, Publication, StagedChange, Store};

pub async fn publishing_is_all_at_once(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lease) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    tx.begin_staging(unit.id, lease).await.expect("begins");
    let moved = CatalogueItem { parent: Some(ItemId::new("root")), ..file("f", "a", "g", 8) };
    tx.stage(
        unit.id,
        lease,
        vec![put(moved.clone()), StagedChange::Remove { drive: drive(), item: ItemId::new("a") }],
    )
    .await
    .expect("stages");
    assert_eq!(tx.staged_changes(unit.id).await.expect("counts"), 2);
    assert_eq!(
        tx.published_item(unit.id, &drive(), &ItemId::new("f")).await.expect("reads"),
        Some(file("f", "a", "f", 5))
    );
    assert_eq!(
        tx.staged_children(unit.id, &drive(), &ItemId::new("root")).await.expect("reads"),
        vec![moved.clone()]
    );
    assert_eq!(tx.staged_totals(unit.id).await.expect("totals"), (1, 8));
    tx.publish(unit.id, lease, publication(Some(point(&unit, 20)), "link 2"))
        .await
        .expect("publishes");
    assert_eq!(
        tx.published_item(unit.id, &drive(), &ItemId::new("f")).await.expect("reads"),
        Some(moved)
    );
    assert_eq!(tx.published_item(unit.id, &drive(), &ItemId::new("a")).await.expect("reads"), None);
    assert_eq!(tx.staged_totals(unit.id).await.expect("totals"), (1, 8));
    assert_eq!(tx.staged_changes(unit.id).await.expect("counts"), 0);
    let points = Listed::<RestorePoint>::list(
        &mut *tx,
        unit.tenant,
        &ListQuery::first(10, Some(Filter::equal(RestorePointColumn::UnitId, unit.id.to_string()))),
    )
    .await
    .expect("lists");
    assert_eq!(points.rows, vec![point(&unit, 20), point(&unit, 10)]);
}

pub async fn an_unpublished_run_leaves_hints_only(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lease) = published_unit(store, &entropy).await;
    let hint = ContentHint {
        drive: drive(),
        item: ItemId::new("new"),
        size: 3,
        quick_xor_hash: "hash".to_owned(),
        content: vec![[9; 32]],
    };
    let mut tx = begin(store).await;
    tx.begin_staging(unit.id, lease).await.expect("begins");
    tx.stage(unit.id, lease, vec![put(file("new", "root", "new", 3))]).await.expect("stages");
    tx.put_hints(unit.id, lease, vec![hint.clone()]).await.expect("hints");
    tx.begin_staging(unit.id, lease).await.expect("begins again");
    assert_eq!(tx.staged_item(unit.id, &drive(), &ItemId::new("new")).await.expect("reads"), None);
    assert_eq!(tx.hint(unit.id, &drive(), &ItemId::new("new")).await.expect("reads"), Some(hint));
    tx.publish(unit.id, lease, publication(None, "link 2")).await.expect("publishes");
    assert_eq!(tx.hint(unit.id, &drive(), &ItemId::new("new")).await.expect("reads"), None);
    assert_eq!(
        tx.catalogue_drives(unit.id).await.expect("reads")[0].delta_link.as_deref(),
        Some("link 2")
    );
    assert_eq!(
        tx.latest_restore_point(unit.tenant, unit.id).await.expect("reads"),
        Some(point(&unit, 10))
    );
}

pub async fn folders_of_changes_are_found(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lease) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    tx.begin_staging(unit.id, lease).await.expect("begins");
    let same_but_etag = CatalogueItem { etag: "\"2\"".to_owned(), ..file("f", "a", "f", 5) };
    tx.stage(unit.id, lease, vec![put(same_but_etag)]).await.expect("stages");
    assert_eq!(
        (
            tx.staged_changes(unit.id).await.expect("counts"),
            tx.staged_folders(unit.id, &drive()).await.expect("finds")
        ),
        (0, vec![])
    );
    let new_folder =
        CatalogueItem { kind: ItemKind::Folder { tree: None }, ..folder("n", Some("root"), "n") };
    let moved = CatalogueItem { parent: Some(ItemId::new("n")), ..file("f", "a", "f", 5) };
    tx.stage(unit.id, lease, vec![put(new_folder), put(moved)]).await.expect("stages");
    assert_eq!(
        tx.staged_folders(unit.id, &drive()).await.expect("finds"),
        ["a", "n", "root"].map(ItemId::new)
    );
    tx.stage(unit.id, lease, vec![StagedChange::Remove { drive: drive(), item: ItemId::new("a") }])
        .await
        .expect("stages");
    assert_eq!(
        tx.staged_folders(unit.id, &drive()).await.expect("finds"),
        ["n", "root"].map(ItemId::new)
    );
}

pub async fn a_full_enumeration_finds_removals(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lease) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    tx.begin_staging(unit.id, lease).await.expect("begins");
    tx.stage(
        unit.id,
        lease,
        vec![put(folder("root", None, "root")), put(folder("a", Some("root"), "a"))],
    )
    .await
    .expect("stages");
    assert_eq!(tx.stage_removal_of_unstaged(unit.id, lease, &drive()).await.expect("stages"), 1);
    assert_eq!(tx.staged_item(unit.id, &drive(), &ItemId::new("f")).await.expect("reads"), None);
    assert_eq!(tx.staged_changes(unit.id).await.expect("counts"), 1);
}

pub async fn dropped_drives_lose_their_items(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lease) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    tx.begin_staging(unit.id, lease).await.expect("begins");
    tx.publish(
        unit.id,
        lease,
        Publication { point: Some(point(&unit, 20)), gaps: Vec::new(), drives: Vec::new() },
    )
    .await
    .expect("publishes");
    assert_eq!(tx.catalogue_drives(unit.id).await.expect("reads"), vec![]);
    assert_eq!(tx.published_item(unit.id, &drive(), &ItemId::new("f")).await.expect("reads"), None);
    assert_eq!(tx.staged_totals(unit.id).await.expect("totals"), (0, 0));
    assert!(tx.renew(lease, at(0).plus(Duration::from_secs(99))).await.is_ok());
}
