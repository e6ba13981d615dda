//! Cases of browse sessions and their rows, and of what is left when a unit's backups are destroyed.

use holdfast_domain::{
    BrowseSession, BrowseSessionId, Entropy, ItemId, JobId, Lease, SeededEntropy, Work, Workload,
    limits,
};
use uuid::Uuid;

use super::{at, begin, claim, drive, point, published_unit, tenant};
use crate::query::{Direction, ListQuery};
use crate::{
    BrowseItem, BrowseItemKind, BrowseOrder, BrowsePlace, BrowsePosition, BrowseQuery, Collection,
    Listed, Store, StoreError, Tx, find,
};

/// A session of a unit's point that is being created, and its job's lease.
async fn creating(store: &dyn Store, entropy: &dyn Entropy) -> (BrowseSession, Lease) {
    let (unit, lease) = published_unit(store, entropy).await;
    let point = point(&unit, 10);
    let id = BrowseSessionId::random(entropy);
    let session =
        BrowseSession::creating(id, &point, Workload::SharePoint, "site".to_owned(), at(20));
    let mut tx = begin(store).await;
    tx.finish(lease).await.expect("finishes");
    tx.insert(&session).await.expect("inserts");
    let work = Work::PrepareBrowseSession { session: id };
    tx.enqueue(tenant(1), JobId::random(entropy), work, at(20)).await.expect("enqueues");
    let (claimed, lease) = claim(&mut *tx, 20).await.expect("there is work");
    assert_eq!(claimed, work);
    tx.commit().await.expect("commits");
    (session, lease)
}

fn row(
    ordinal: u64,
    last: u64,
    parent: Option<u64>,
    kind: BrowseItemKind,
    name: &str,
) -> BrowseItem {
    BrowseItem {
        ordinal,
        last,
        parent,
        kind,
        guid: Uuid::from_u128(u128::from(ordinal) + 1),
        source_id: format!("source {ordinal}"),
        name: name.to_owned(),
        items: last - ordinal,
        size_bytes: 7,
        times: (kind == BrowseItemKind::File).then(|| (at(1), at(2))),
        web_url: (kind == BrowseItemKind::Site).then(|| "https://contoso".to_owned()),
    }
}

/// `/Documents/{a/{B, ß}, b}`
fn rows() -> Vec<BrowseItem> {
    use BrowseItemKind::{File, Folder, Library, Site};
    vec![
        row(0, 5, None, Site, "Contoso"),
        row(1, 5, Some(0), Library, "Documents"),
        row(2, 4, Some(1), Folder, "a"),
        row(3, 3, Some(2), File, "B"),
        row(4, 4, Some(2), File, "Maß"),
        row(5, 5, Some(1), File, "b"),
    ]
}

async fn filled(store: &dyn Store) -> (BrowseSession, Lease) {
    let (session, lease) = creating(store, &SeededEntropy::new(1)).await;
    let mut tx = begin(store).await;
    tx.add_browse_items(session.id, lease, rows()).await.expect("adds");
    tx.commit().await.expect("commits");
    (session, lease)
}

async fn names(tx: &mut dyn Tx, session: &BrowseSession, query: &BrowseQuery) -> Vec<String> {
    let found = tx.browse(session.id, query).await.expect("reads");
    found.into_iter().map(|item| item.name).collect()
}

fn all(place: BrowsePlace, order: BrowseOrder, direction: Direction) -> BrowseQuery {
    BrowseQuery { place, name_contains: None, order, direction, after: None, limit: 100 }
}

pub async fn browse_rows_come_in_order_and_page_by_page(store: &dyn Store) {
    let (session, _) = filled(store).await;
    let mut tx = store.read().await.expect("reads");
    assert_eq!(tx.browse_item(session.id, 4).await.expect("reads"), Some(rows()[4].clone()));
    assert_eq!(tx.browse_item(session.id, 6).await.expect("reads"), None);
    let found = tx.browse_item_of_guid(session.id, Uuid::from_u128(3)).await.expect("reads");
    assert_eq!(found, Some(rows()[2].clone()));
    let other = BrowseSessionId::random(&SeededEntropy::new(2));
    assert_eq!(tx.browse_item_of_guid(other, Uuid::from_u128(3)).await.expect("reads"), None);

    use BrowseOrder::{Name, Path};
    use Direction::{Ascending, Descending};
    let library = BrowsePlace::In { parent: 1 };
    let below = BrowsePlace::Range { first: 2, last: 5 };
    let cases: [(BrowsePlace, BrowseOrder, Direction, &[&str]); 6] = [
        (library, Path, Ascending, &["a", "b"]),
        (library, Name, Descending, &["b", "a"]),
        (below, Path, Ascending, &["a", "B", "Maß", "b"]),
        (below, Path, Descending, &["b", "Maß", "B", "a"]),
        (below, Name, Ascending, &["a", "B", "b", "Maß"]),
        (below, Name, Descending, &["Maß", "b", "B", "a"]),
    ];
    for (place, order, direction, wanted) in cases {
        let query = all(place, order, direction);
        assert_eq!(names(&mut *tx, &session, &query).await, wanted, "{query:?}");
        assert_eq!(tx.count_browse(session.id, &query).await.expect("counts"), wanted.len() as u64);
        // One by one.
        let mut query = BrowseQuery { limit: 1, ..query };
        let mut found = Vec::new();
        while let Some(item) = tx.browse(session.id, &query).await.expect("reads").pop() {
            query.after = Some(BrowsePosition { name: item.name.clone(), ordinal: item.ordinal });
            found.push(item.name);
        }
        assert_eq!(found, wanted, "{query:?}");
    }
    let mut query = all(below, Path, Ascending);
    query.name_contains = Some("MASS".to_owned());
    assert!(names(&mut *tx, &session, &query).await.is_empty());
    query.name_contains = Some("B".to_owned());
    assert_eq!(names(&mut *tx, &session, &query).await, ["B", "b"]);
    assert_eq!(tx.count_browse(session.id, &query).await.expect("counts"), 2);
}

pub async fn browse_sessions_are_written_by_their_job_and_end(store: &dyn Store) {
    let (session, lease) = filled(store).await;
    let stranger = Lease { token: lease.token + 1, ..lease };
    let mut tx = begin(store).await;
    let refused = tx.add_browse_items(session.id, stranger, vec![]).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)));
    let read = find::<BrowseSession>(&mut *tx, tenant(1), &session.id).await.expect("reads");
    let read = read.expect("it is there");
    assert_eq!(read.value, session);
    assert_eq!(find::<BrowseSession>(&mut *tx, tenant(2), &session.id).await.expect("reads"), None);
    let mut created = session.clone();
    created.state = session.state.finish().expect("it was being created");
    Collection::<BrowseSession>::put(&mut *tx, &created, read.version).await.expect("writes");
    tx.commit().await.expect("commits");

    let ends = at(20).plus(limits::BROWSE_SESSION);
    let mut tx = begin(store).await;
    let list = ListQuery::first(9, None);
    let listed = Listed::<BrowseSession>::list(&mut *tx, tenant(1), &list).await.expect("lists");
    assert_eq!(listed.rows, [created.clone()]);
    let early = tx.expired_browse_sessions(at(30), 9).await.expect("reads");
    assert_eq!(early, []);
    let expired = tx.expired_browse_sessions(ends, 9).await.expect("reads");
    assert_eq!(expired[0].value, created);
    let mut deleted = Vec::new();
    for _ in 0..4 {
        deleted.push(tx.delete_browse_items(session.id, 3).await.expect("deletes"));
    }
    assert_eq!(deleted, [3, 3, 0, 0]);
    let version = expired[0].version;
    Collection::<BrowseSession>::delete(&mut *tx, &created, version).await.expect("deletes");
    assert_eq!(tx.expired_browse_sessions(ends, 9).await.expect("reads"), []);
}

pub async fn what_tells_of_a_units_backups_is_forgotten(store: &dyn Store) {
    let (session, _) = filled(store).await;
    let unit = session.unit();
    let entropy = SeededEntropy::new(9);
    let mut tx = begin(store).await;
    tx.insert_wrapped_repository_secret(tenant(1), unit, "wrapped").await.expect("inserts");
    let job = JobId::random(&entropy);
    tx.enqueue(tenant(1), job, Work::OffboardUnit { unit }, at(0)).await.expect("enqueues");
    let (_, lease) = claim(&mut *tx, 30).await.expect("there is work");
    tx.destroy_wrapped_repository_secret(unit).await.expect("destroys");
    assert_eq!(tx.wrapped_repository_secret(unit).await.expect("reads"), None);
    let mut rounds = 0;
    while tx.forget_backups(unit, lease, 2).await.expect("forgets") > 0 {
        rounds += 1;
        assert!(rounds < 30, "it does not end");
    }
    assert!(rounds > 4, "a few rows at a time");
    assert_eq!(tx.latest_restore_point(tenant(1), unit).await.expect("reads"), None);
    assert_eq!(tx.catalogue_drives(unit).await.expect("reads"), []);
    let root = ItemId::new("root");
    assert_eq!(tx.published_item(unit, &drive(), &root).await.expect("reads"), None);
    assert_eq!(tx.browse_item(session.id, 0).await.expect("reads"), None);
    assert_eq!(find::<BrowseSession>(&mut *tx, tenant(1), &session.id).await.expect("reads"), None);
    assert!(tx.unit(tenant(1), unit).await.expect("reads").is_some(), "the unit itself stays");
}
