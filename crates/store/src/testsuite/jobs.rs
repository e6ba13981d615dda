//! Cases of jobs and their leases, and of units that are due.

use holdfast_domain::{ArtifactId, JobId, ProtectionUnit, SeededEntropy, UnitId, UnitState, Work};

use super::{at, begin, claim, folder, point, publication, published_unit, put, tenant, unit};
use crate::{Store, StoreError};

pub async fn a_unit_is_worked_on_once(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (one, two) = (UnitId::random(&entropy), UnitId::random(&entropy));
    let mut tx = begin(store).await;
    for work in [
        Work::ProtectUnit { unit: one },
        Work::BackUpUnit { unit: one },
        Work::BackUpUnit { unit: two },
    ] {
        tx.enqueue(tenant(1), JobId::random(&entropy), work, at(0)).await.expect("enqueues");
    }
    assert_eq!(claim(&mut *tx, -1).await, None, "nothing is due yet");
    let (work, first) = claim(&mut *tx, 0).await.expect("there is work");
    assert_eq!(work, Work::ProtectUnit { unit: one });
    let (work, second) = claim(&mut *tx, 0).await.expect("the other unit is free");
    assert_eq!(work, Work::BackUpUnit { unit: two });
    assert!(second.token > first.token);
    assert_eq!(claim(&mut *tx, 1).await, None, "both units are taken");
    tx.finish(first).await.expect("finishes");
    assert_eq!(
        claim(&mut *tx, 1).await.map(|(work, _)| work),
        Some(Work::BackUpUnit { unit: one })
    );
}

pub async fn restores_go_before_backups(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let unit = UnitId::random(&entropy);
    let restore = Work::RestoreArtifact { artifact: ArtifactId::random(&entropy), unit };
    let mut tx = begin(store).await;
    tx.enqueue(tenant(1), JobId::random(&entropy), Work::BackUpUnit { unit }, at(0))
        .await
        .expect("enqueues");
    tx.enqueue(tenant(1), JobId::random(&entropy), restore, at(5)).await.expect("enqueues");
    assert_eq!(claim(&mut *tx, 1).await, None, "no scheduled point while a restore is on its way");
    let (work, lease) = claim(&mut *tx, 5).await.expect("the restore is due");
    assert_eq!(work, restore);
    tx.release(lease, at(20), "try again").await.expect("releases");
    assert_eq!(claim(&mut *tx, 6).await, None, "nor between its attempts");
    let (_, lease) = claim(&mut *tx, 20).await.expect("the restore is due again");
    tx.finish(lease).await.expect("finishes");
    assert_eq!(claim(&mut *tx, 20).await.map(|(work, _)| work), Some(Work::BackUpUnit { unit }));
}

pub async fn a_lost_lease_writes_nothing(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (unit, lost) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    let (_, newer) = claim(&mut *tx, 1000).await.expect("the first worker's lease has ended");
    for refused in [
        tx.guard(lost).await,
        tx.renew(lost, at(2000)).await.map(|_| ()),
        tx.put_progress(lost, "x").await,
        tx.finish(lost).await,
        tx.release(lost, at(0), "x").await,
        tx.begin_staging(unit.id, lost).await,
        tx.stage(unit.id, lost, vec![put(folder("b", Some("root"), "b"))]).await,
        tx.put_hints(unit.id, lost, Vec::new()).await,
        tx.publish(unit.id, lost, publication(Some(point(&unit, 20)), "link 2")).await,
    ] {
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    }
    tx.guard(newer).await.expect("the newest lease holds");
    assert_eq!(
        tx.catalogue_drives(unit.id).await.expect("reads")[0].delta_link.as_deref(),
        Some("link 1")
    );
    assert_eq!(
        tx.latest_restore_point(unit.tenant, unit.id).await.expect("reads"),
        Some(point(&unit, 10))
    );
}

pub async fn ended_leases_free_their_jobs(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let (_, dead) = published_unit(store, &entropy).await;
    let mut tx = begin(store).await;
    assert_eq!(claim(&mut *tx, 1).await, None, "the lease lives");
    assert_eq!(tx.end_leases().await.expect("ends them"), 1);
    assert_eq!(tx.end_leases().await.expect("there are none"), 0);
    let (_, newer) = claim(&mut *tx, 1).await.expect("the job is free at once");
    assert!(matches!(tx.finish(dead).await, Err(StoreError::LeaseLost)));
    tx.finish(newer).await.expect("the newest lease holds");
}

pub async fn waiting_work_is_not_added_twice(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let work = Work::ProtectUnit { unit: UnitId::random(&entropy) };
    let mut tx = begin(store).await;
    for _ in 0..2 {
        tx.enqueue(tenant(1), JobId::random(&entropy), work, at(0)).await.expect("enqueues");
    }
    let (_, lease) = claim(&mut *tx, 0).await.expect("there is work");
    tx.put_progress(lease, "half").await.expect("notes");
    // The claimed one may have looked at the world already: a new wish is new work.
    tx.enqueue(tenant(1), JobId::random(&entropy), work, at(0)).await.expect("enqueues");
    tx.release(lease, at(0), "once more").await.expect("releases");
    let again = tx.claim(at(1), at(60)).await.expect("claims").expect("the released one is first");
    assert_eq!((again.attempt, again.progress.as_deref()), (2, Some("half")));
    tx.finish(again.lease).await.expect("finishes");
    let (_, last) = claim(&mut *tx, 1).await.expect("the new wish");
    tx.finish(last).await.expect("finishes");
    assert_eq!(claim(&mut *tx, 1).await, None);
}

pub async fn due_units_are_found(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let due = unit(&entropy, "due");
    let mut tx = begin(store).await;
    tx.insert(&due).await.expect("inserts");
    tx.insert(&ProtectionUnit { next_backup_at: Some(at(601)), ..unit(&entropy, "later") })
        .await
        .expect("inserts");
    tx.insert(&ProtectionUnit { state: UnitState::Unprotected, ..unit(&entropy, "unprotected") })
        .await
        .expect("inserts");
    let found = tx.units_due(at(600), 10).await.expect("finds");
    assert_eq!(found.iter().map(|unit| unit.value.id).collect::<Vec<_>>(), vec![due.id]);
    tx.enqueue(due.tenant, JobId::random(&entropy), Work::BackUpUnit { unit: due.id }, at(600))
        .await
        .expect("enqueues");
    assert_eq!(tx.units_due(at(600), 10).await.expect("finds"), vec![]);
}
