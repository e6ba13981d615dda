//! The cases that every backend passes. A backend calls [`testsuite!`](crate::testsuite!) once, in its tests.

mod browse;
mod catalogue;
mod jobs;
mod notifications;

use holdfast_domain::{
    Actor, ArtifactId, ArtifactPart, ArtifactState, DestinationType, DriveId, Entropy, Identity,
    ItemId, JobId, Lease, PolicyGoal, PolicyId, PolicyState, ProtectionPolicy, ProtectionUnit,
    RestoreArtifact, RestoreOutcome, RestorePoint, RestorePointId, RestoreSession,
    RestoreSessionId, RestoreState, SeededEntropy, Stamps, TenantId, Timestamp, UnitId, UnitState,
    Work, Workload,
};

use crate::query::{
    ArtifactColumn, Comparison, Direction, Filter, ListQuery, Part, PolicyColumn,
    RestoreSessionColumn, TextMatch, UnitColumn, Value,
};
use crate::{
    CatalogueDrive, CatalogueItem, FileContent, ItemKind, Listed, Publication, StagedChange, Store,
    StoreError, Tx,
};

pub use browse::{
    browse_rows_come_in_order_and_page_by_page, browse_sessions_are_written_by_their_job_and_end,
    what_tells_of_a_units_backups_is_forgotten,
};
pub use catalogue::{
    a_full_enumeration_finds_removals, an_unpublished_run_leaves_hints_only,
    dropped_drives_lose_their_items, folders_of_changes_are_found, publishing_is_all_at_once,
};
pub use jobs::{
    a_lost_lease_writes_nothing, a_unit_is_worked_on_once, due_units_are_found,
    ended_leases_free_their_jobs, restores_go_before_backups, waiting_work_is_not_added_twice,
};
pub use notifications::{
    mails_keep_their_states_until_they_are_forgotten, notices_wait_for_their_tenants_digest,
};

/// Makes a `#[tokio::test]` of every case, each with a store of its own.
#[macro_export]
macro_rules! testsuite {
    ($store:expr) => {
        $crate::testsuite!(@cases $store;
            rolls_back_unless_committed, stale_write_is_refused, tenants_are_apart, pages_hold_while_rows_are_added, filters_compare_as_odata_does, filters_ask_what_belongs_to_a_row, offboarding_units_are_found_by_their_wish, sessions_keep_their_states,
            artifacts_are_tallied, a_unit_is_worked_on_once, restores_go_before_backups, a_lost_lease_writes_nothing, ended_leases_free_their_jobs, waiting_work_is_not_added_twice, due_units_are_found,
            publishing_is_all_at_once, an_unpublished_run_leaves_hints_only, folders_of_changes_are_found, a_full_enumeration_finds_removals, dropped_drives_lose_their_items,
            browse_rows_come_in_order_and_page_by_page, browse_sessions_are_written_by_their_job_and_end, what_tells_of_a_units_backups_is_forgotten,
            notices_wait_for_their_tenants_digest, mails_keep_their_states_until_they_are_forgotten);
    };
    (@cases $store:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::testsuite::$case(&$store).await;
            }
        )*
    };
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + seconds).expect("in range")
}

fn stamps(seconds: i64) -> Stamps {
    let app = Identity { id: "app".to_owned(), display_name: Some("Contoso Backup".to_owned()) };
    Stamps::new(Actor { application: Some(app), user: None }, at(seconds))
}

fn tenant(number: u8) -> TenantId {
    TenantId::random(&SeededEntropy::new(u64::from(number)))
}

fn policy(entropy: &dyn Entropy, seconds: i64, name: &str) -> ProtectionPolicy {
    let id = PolicyId::random(entropy);
    let policy = ProtectionPolicy::new(
        id,
        tenant(1),
        Workload::SharePoint,
        name.to_owned(),
        stamps(seconds),
    );
    ProtectionPolicy { state: PolicyState::Updating { towards: PolicyGoal::Active }, ..policy }
}

fn unit(entropy: &dyn Entropy, resource: &str) -> ProtectionUnit {
    let id = UnitId::random(entropy);
    let resource = resource.to_owned();
    let unit = ProtectionUnit::detached(id, tenant(1), Workload::SharePoint, resource, stamps(0));
    ProtectionUnit {
        state: UnitState::Protected,
        name: Some("Marketing".to_owned()),
        next_backup_at: Some(at(600)),
        ..unit
    }
}

fn session(entropy: &dyn Entropy, state: RestoreState) -> RestoreSession {
    let id = RestoreSessionId::random(entropy);
    let draft = RestoreSession::draft(id, tenant(1), Workload::SharePoint, stamps(0));
    RestoreSession { state, ..draft }
}

fn artifact(
    entropy: &dyn Entropy,
    session: &RestoreSession,
    unit: UnitId,
    state: ArtifactState,
) -> RestoreArtifact {
    let added = RestoreArtifact::added(
        ArtifactId::random(entropy),
        session,
        RestorePointId::new(unit, at(1)),
        ArtifactPart::Whole,
        DestinationType::InPlace,
        at(2),
    );
    RestoreArtifact { state, ..added }
}

fn point(unit: &ProtectionUnit, seconds: i64) -> RestorePoint {
    RestorePoint {
        id: RestorePointId::new(unit.id, at(seconds)),
        tenant: unit.tenant,
        unit: unit.id,
        protection_date_time: at(seconds),
        started_at: at(seconds - 1),
        expires_at: at(seconds + 1000),
        snapshot: "00".repeat(32),
        items: 2,
        size_bytes: 5,
        gaps: 0,
    }
}

fn drive() -> DriveId {
    DriveId::new("b!drive")
}

fn folder(id: &str, parent: Option<&str>, name: &str) -> CatalogueItem {
    CatalogueItem {
        drive: drive(),
        item: ItemId::new(id),
        parent: parent.map(ItemId::new),
        name: name.to_owned(),
        etag: "\"1\"".to_owned(),
        created: at(0),
        modified: at(0),
        kind: ItemKind::Folder { tree: Some([7; 32]) },
        permissions: None,
        gap: None,
    }
}

fn file(id: &str, parent: &str, name: &str, size: u64) -> CatalogueItem {
    let kind = ItemKind::File {
        size,
        quick_xor_hash: format!("hash of {size}"),
        content: FileContent::Stored(vec![[1; 32], [2; 32]]),
    };
    CatalogueItem { kind, ..folder(id, Some(parent), name) }
}

fn put(item: CatalogueItem) -> StagedChange {
    StagedChange::Put(item)
}

fn publication(point: Option<RestorePoint>, link: &str) -> Publication {
    let drive = CatalogueDrive {
        drive: drive(),
        folder: "Documents".to_owned(),
        delta_link: Some(link.to_owned()),
        properties: "{}".to_owned(),
    };
    Publication { point, gaps: Vec::new(), drives: vec![drive] }
}

async fn begin(store: &dyn Store) -> Box<dyn Tx> {
    store.begin().await.expect("a transaction begins")
}

async fn claim(tx: &mut dyn Tx, seconds: i64) -> Option<(Work, Lease)> {
    let claimed = tx.claim(at(seconds), at(seconds + 60)).await.expect("claims");
    claimed.map(|job| (job.work, job.lease))
}

/// A unit with root, folder `a` and file `a/f` published, and the lease of its next run.
async fn published_unit(store: &dyn Store, entropy: &dyn Entropy) -> (ProtectionUnit, Lease) {
    let unit = unit(entropy, "site");
    let mut tx = begin(store).await;
    tx.insert(&unit).await.expect("inserts");
    tx.enqueue(unit.tenant, JobId::random(entropy), Work::BackUpUnit { unit: unit.id }, at(0))
        .await
        .expect("enqueues");
    let (_, lease) = claim(&mut *tx, 0).await.expect("there is work");
    tx.begin_staging(unit.id, lease).await.expect("begins");
    let items = vec![
        put(folder("root", None, "root")),
        put(folder("a", Some("root"), "a")),
        put(file("f", "a", "f", 5)),
    ];
    tx.stage(unit.id, lease, items).await.expect("stages");
    assert_eq!(tx.staged_totals(unit.id).await.expect("totals"), (2, 5));
    tx.publish(unit.id, lease, publication(Some(point(&unit, 10)), "link 1"))
        .await
        .expect("publishes");
    tx.commit().await.expect("commits");
    (unit, lease)
}

pub async fn rolls_back_unless_committed(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let kept = policy(&entropy, 0, "kept");
    let dropped = policy(&entropy, 0, "dropped");
    let mut tx = begin(store).await;
    tx.insert(&kept).await.expect("inserts");
    tx.commit().await.expect("commits");
    let mut tx = begin(store).await;
    tx.insert(&dropped).await.expect("inserts");
    drop(tx);
    let mut tx = store.read().await.expect("reads");
    assert_eq!(
        tx.policy(tenant(1), kept.id).await.expect("reads").map(|found| found.value),
        Some(kept)
    );
    assert_eq!(tx.policy(tenant(1), dropped.id).await.expect("reads"), None);
}

pub async fn stale_write_is_refused(store: &dyn Store) {
    let mut policy = policy(&SeededEntropy::new(1), 0, "first");
    let mut tx = begin(store).await;
    tx.insert(&policy).await.expect("inserts");
    let read = tx.policy(policy.tenant, policy.id).await.expect("reads").expect("is there").version;
    policy.display_name = "second".to_owned();
    tx.put(&policy, read).await.expect("writes");
    assert!(matches!(tx.put(&policy, read).await, Err(StoreError::Stale)));
    assert!(matches!(tx.delete(&policy, read).await, Err(StoreError::Stale)));
}

pub async fn tenants_are_apart(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let policy = policy(&entropy, 0, "mine");
    let unit = unit(&entropy, "site");
    let session = session(&entropy, RestoreState::Draft);
    let artifact = artifact(&entropy, &session, unit.id, ArtifactState::Added);
    let mut tx = begin(store).await;
    tx.insert(&policy).await.expect("inserts");
    tx.insert(&unit).await.expect("inserts");
    tx.insert(&session).await.expect("inserts");
    tx.insert(&artifact).await.expect("inserts");
    let other = tenant(2);
    assert_eq!(tx.policy(other, policy.id).await.expect("reads"), None);
    assert_eq!(tx.unit(other, unit.id).await.expect("reads"), None);
    assert_eq!(
        tx.unit_of_resource(other, Workload::SharePoint, "site").await.expect("reads"),
        None
    );
    assert_eq!(tx.restore_session(other, session.id).await.expect("reads"), None);
    assert_eq!(tx.artifact(other, session.id, artifact.id).await.expect("reads"), None);
    assert_eq!(tx.artifact_by_id(other, artifact.id).await.expect("reads"), None);
    assert_eq!(Listed::<ProtectionPolicy>::count(&mut *tx, other, None).await.expect("counts"), 0);
    assert_eq!(
        Listed::<RestoreSession>::list(&mut *tx, other, &ListQuery::first(10, None))
            .await
            .expect("lists")
            .rows,
        vec![]
    );
    assert!(matches!(
        tx.put(&ProtectionPolicy { tenant: other, ..policy.clone() }, 1).await,
        Err(StoreError::Stale)
    ));
    assert_eq!(
        Listed::<ProtectionPolicy>::count(&mut *tx, tenant(1), None).await.expect("counts"),
        1
    );
}

pub async fn pages_hold_while_rows_are_added(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let mut tx = begin(store).await;
    for number in 0..7 {
        // Pairs of equal times: the id must break the tie.
        tx.insert(&policy(&entropy, number / 2, &format!("policy {number}")))
            .await
            .expect("inserts");
    }
    for order in [
        vec![],
        vec![(PolicyColumn::CreatedDateTime, Direction::Ascending)],
        vec![
            (PolicyColumn::Status, Direction::Descending),
            (PolicyColumn::DisplayName, Direction::Descending),
        ],
    ] {
        let mut query = ListQuery {
            order,
            ..ListQuery::first(
                3,
                Some(Filter::text(
                    PolicyColumn::DisplayName,
                    TextMatch::StartsWith,
                    "POLICY".to_owned(),
                )),
            )
        };
        let mut seen = Vec::new();
        loop {
            let page =
                Listed::<ProtectionPolicy>::list(&mut *tx, tenant(1), &query).await.expect("lists");
            seen.extend(page.rows.into_iter().map(|policy| policy.id));
            tx.insert(&policy(&entropy, 100, "newcomer")).await.expect("inserts");
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!((seen.len(), unique.len()), (7, 7), "{:?}", query.order);
    }
}

pub async fn filters_compare_as_odata_does(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let mut tx = begin(store).await;
    for (seconds, name) in [(0, "Écoles"), (1, "100% percent_"), (2, "Sales")] {
        tx.insert(&policy(&entropy, seconds, name)).await.expect("inserts");
    }
    let mut cases: Vec<(Filter<PolicyColumn>, u64)> = vec![
        (Filter::text(PolicyColumn::DisplayName, TextMatch::Contains, "éco".to_owned()), 1),
        (Filter::text(PolicyColumn::DisplayName, TextMatch::Contains, "%".to_owned()), 1),
        (Filter::text(PolicyColumn::DisplayName, TextMatch::EndsWith, "LES".to_owned()), 2),
        (
            Filter::text(
                PolicyColumn::DisplayName,
                TextMatch::EndsWith,
                "not that long a name".to_owned(),
            ),
            0,
        ),
        (Filter::text(PolicyColumn::DisplayName, TextMatch::StartsWith, "sal".to_owned()), 1),
        (Filter::In(PolicyColumn::DisplayName, vec!["Sales".into(), "nothing".into()]), 1),
        (Filter::In(PolicyColumn::DisplayName, vec![]), 0),
        (Filter::equal(PolicyColumn::DisplayName, "sales"), 0),
        (Filter::Compare(PolicyColumn::CreatedDateTime, Comparison::Less, Value::Time(at(1))), 1),
        (
            Filter::Compare(
                PolicyColumn::CreatedDateTime,
                Comparison::GreaterOrEqual,
                Value::Time(at(1)),
            ),
            2,
        ),
        (Filter::Not(Box::new(Filter::equal(PolicyColumn::Status, "updating"))), 0),
        (
            Filter::Or(
                Box::new(Filter::equal(PolicyColumn::DisplayName, "Sales")),
                Box::new(Filter::equal(PolicyColumn::CreatedDateTime, at(0))),
            ),
            2,
        ),
    ];
    cases.push((cases[0].0.clone().and(cases[9].0.clone()), 0));
    for (filter, expected) in cases {
        assert_eq!(
            Listed::<ProtectionPolicy>::count(&mut *tx, tenant(1), Some(&filter))
                .await
                .expect("counts"),
            expected,
            "{filter:?}"
        );
    }
    // Null is less than nothing, and not less than nothing: both comparisons are false, so the negation is true.
    tx.insert(&session(&entropy, RestoreState::Draft)).await.expect("inserts");
    let ended_before = Filter::Compare(
        RestoreSessionColumn::CompletedDateTime,
        Comparison::Less,
        Value::Time(at(0)),
    );
    assert_eq!(
        Listed::<RestoreSession>::count(&mut *tx, tenant(1), Some(&ended_before))
            .await
            .expect("counts"),
        0
    );
    assert_eq!(
        Listed::<RestoreSession>::count(
            &mut *tx,
            tenant(1),
            Some(&Filter::Not(Box::new(ended_before)))
        )
        .await
        .expect("counts"),
        1
    );
    assert_eq!(
        Listed::<RestoreSession>::count(
            &mut *tx,
            tenant(1),
            Some(&Filter::Compare(
                RestoreSessionColumn::CompletedDateTime,
                Comparison::Equal,
                Value::Null
            ))
        )
        .await
        .expect("counts"),
        1
    );
}

pub async fn offboarding_units_are_found_by_their_wish(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let mut tx = begin(store).await;
    tx.insert(&unit(&entropy, "protected")).await.expect("inserts");
    let states = [
        UnitState::OffboardRequested { at: at(5) },
        UnitState::Destroying { at: at(5) },
        UnitState::Offboarded { at: at(5) },
        UnitState::CancelOffboardRequested { at: at(5) },
    ];
    for (number, state) in states.into_iter().enumerate() {
        let unit = ProtectionUnit { state, ..unit(&entropy, &number.to_string()) };
        tx.insert(&unit).await.expect("inserts");
    }
    let asked = Filter::equal(UnitColumn::OffboardRequestedDateTime, Value::Time(at(5)));
    let requested = Filter::equal(UnitColumn::Status, "offboardRequested");
    for (filter, expected) in [(asked, 4), (requested, 2)] {
        let count = Listed::<ProtectionUnit>::count(&mut *tx, tenant(1), Some(&filter)).await;
        assert_eq!(count.expect("counts"), expected, "{filter:?}");
    }
}

pub async fn filters_ask_what_belongs_to_a_row(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let mut tx = begin(store).await;
    let full = policy(&entropy, 0, "with a unit");
    tx.insert(&full).await.expect("inserts");
    tx.insert(&policy(&entropy, 1, "without")).await.expect("inserts");
    let unit = ProtectionUnit { policy: Some(full.id), ..unit(&entropy, "site") };
    tx.insert(&unit).await.expect("inserts");
    let of_site = |site: &str| {
        let filter = Filter::equal(UnitColumn::Resource, site);
        Filter::<PolicyColumn>::Any(Part::UnitsOfPolicy(Box::new(filter)))
    };
    for (filter, expected) in [
        (of_site("site"), 1),
        (of_site("another"), 0),
        (Filter::Not(Box::new(of_site("site"))), 1),
        (of_site("site").and(Filter::equal(PolicyColumn::DisplayName, "without")), 0),
    ] {
        let count = Listed::<ProtectionPolicy>::count(&mut *tx, tenant(1), Some(&filter)).await;
        assert_eq!(count.expect("counts"), expected, "{filter:?}");
    }
    let draft = session(&entropy, RestoreState::Draft);
    tx.insert(&draft).await.expect("inserts");
    tx.insert(&session(&entropy, RestoreState::Draft)).await.expect("inserts");
    let added = artifact(&entropy, &draft, unit.id, ArtifactState::Added);
    tx.insert(&added).await.expect("inserts");
    for (status, expected) in [("added", 1), ("failed", 0)] {
        let filter = Filter::equal(ArtifactColumn::Status, status);
        let filter =
            Filter::<RestoreSessionColumn>::Any(Part::ArtifactsOfSession(Box::new(filter)));
        let count = Listed::<RestoreSession>::count(&mut *tx, tenant(1), Some(&filter)).await;
        assert_eq!(count.expect("counts"), expected, "{status}");
    }
}

pub async fn sessions_keep_their_states(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let mut tx = begin(store).await;
    let ended = |outcome| RestoreState::Ended { ended_at: at(9), outcome };
    for state in [
        RestoreState::Draft,
        RestoreState::Activating { requested_at: at(3) },
        RestoreState::Active { started_at: at(4) },
        ended(RestoreOutcome::Completed),
        ended(RestoreOutcome::CompletedWithError),
        ended(RestoreOutcome::Failed),
    ] {
        let session = session(&entropy, state);
        tx.insert(&session).await.expect("inserts");
        let found =
            tx.restore_session(session.tenant, session.id).await.expect("reads").expect("is there");
        assert_eq!(found.value, session);
        tx.put(&session, found.version).await.expect("writes");
        assert_eq!(
            tx.restore_session(session.tenant, session.id)
                .await
                .expect("reads")
                .expect("is there")
                .value,
            session
        );
    }
}

pub async fn artifacts_are_tallied(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let session = session(&entropy, RestoreState::Draft);
    let unit = UnitId::random(&entropy);
    let mut tx = begin(store).await;
    tx.insert(&session).await.expect("inserts");
    for state in [
        ArtifactState::Added,
        ArtifactState::Scheduling,
        ArtifactState::Scheduled,
        ArtifactState::InProgress { started_at: at(5) },
        ArtifactState::Succeeded { started_at: at(5), ended_at: at(6) },
        ArtifactState::Failed { started_at: None, ended_at: at(6) },
    ] {
        let artifact = artifact(&entropy, &session, unit, state);
        tx.insert(&artifact).await.expect("inserts");
        let found = tx
            .artifact(session.tenant, session.id, artifact.id)
            .await
            .expect("reads")
            .expect("is there");
        assert_eq!(found.value, artifact);
    }
    let tally = tx.tally_artifacts(session.tenant, session.id).await.expect("tallies");
    assert_eq!(
        (tally.total, tally.completed, tally.in_progress, tally.failed, tally.with_item_failures),
        (6, 1, 3, 1, 0)
    );
    assert!(
        tx.unit_is_being_restored(session.tenant, unit, RestoreSessionId::random(&entropy))
            .await
            .expect("reads")
    );
    assert!(!tx.unit_is_being_restored(session.tenant, unit, session.id).await.expect("reads"));
    let read = tx
        .restore_session(session.tenant, session.id)
        .await
        .expect("reads")
        .expect("is there")
        .version;
    tx.delete(&session, read).await.expect("deletes");
    assert_eq!(tx.artifacts_of_session(session.tenant, session.id).await.expect("reads"), vec![]);
}
