//! Just enough of an engine: carries out waiting jobs at once, as if every backup and restore succeeded.

use std::time::Duration;

use holdfast_domain::limits::LEASE;
use holdfast_domain::{
    ClaimedJob, Clock, Gap, JobId, RestorePoint, RestorePointId, RestoredSite, RetentionDays,
    TenantId, UnitId, Work,
};
use holdfast_store::{Publication, Store, Tx};

use super::{Harness, TENANT};

impl Harness {
    /// Does all waiting work; gives the names of what was done, in order.
    pub(crate) async fn work(&self) -> Vec<&'static str> {
        let mut done = Vec::new();
        loop {
            let mut tx = self.store.begin().await.expect("the store works");
            let now = self.clock.now();
            let Some(job) = tx.claim(now, now.plus(LEASE)).await.expect("works") else {
                return done;
            };
            done.push(job.work.name());
            self.carry_out(&mut *tx, &job, Vec::new()).await;
            tx.finish(job.lease).await.expect("works");
            tx.commit().await.expect("works");
            // Points of one unit have different times.
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// A further point of a unit, with gaps.
    pub(crate) async fn point(&self, unit: UnitId, gaps: Vec<Gap>) -> RestorePointId {
        let tenant: TenantId = TENANT.parse().expect("a GUID");
        let mut tx = self.store.begin().await.expect("works");
        let now = self.clock.now();
        let id = JobId::random(&*self.entropy);
        tx.enqueue(tenant, id, Work::BackUpUnit { unit }, now).await.expect("works");
        let job = tx.claim(now, now.plus(LEASE)).await.expect("works").expect("a job");
        self.carry_out(&mut *tx, &job, gaps).await;
        tx.finish(job.lease).await.expect("works");
        tx.commit().await.expect("works");
        self.clock.advance(Duration::from_secs(1));
        RestorePointId::new(unit, now)
    }

    async fn carry_out(&self, tx: &mut dyn Tx, job: &ClaimedJob, gaps: Vec<Gap>) {
        match job.work {
            Work::ProtectUnit { unit } => {
                self.publish(tx, job, unit, gaps).await;
                self.move_unit(tx, job, unit).await;
            }
            Work::BackUpUnit { unit } => self.publish(tx, job, unit, gaps).await,
            Work::UnprotectUnit { unit }
            | Work::RemoveUnit { unit }
            | Work::CancelOffboard { unit } => self.move_unit(tx, job, unit).await,
            Work::PrepareBrowseSession { session } => {
                self.fill_browse_session(tx, job, session).await
            }
            // What these bring about is the engine's own story, told by its tests.
            Work::OffboardUnit { .. }
            | Work::ApplyRule { .. }
            | Work::RunBulkJob { .. }
            | Work::RunBulkRestore { .. }
            | Work::ProtectWorkload { .. }
            | Work::ApplyRetention { .. }
            | Work::WriteDigest
            | Work::SendMail { .. } => {}
            Work::ActivateRestoreSession { session } => {
                let rows = tx.artifacts_of_session(job.tenant, session).await.expect("works");
                for row in rows {
                    let mut artifact = row.value;
                    artifact.state = artifact.state.scheduled().expect("scheduling");
                    tx.put(&artifact, row.version).await.expect("works");
                    let unit = artifact.restore_point.unit();
                    let work = Work::RestoreArtifact { artifact: artifact.id, unit };
                    let id = JobId::random(&*self.entropy);
                    tx.enqueue(job.tenant, id, work, self.clock.now()).await.expect("works");
                }
                let row = tx.restore_session(job.tenant, session).await.expect("works");
                let row = row.expect("it exists");
                let mut session = row.value;
                session.state = session.state.start(self.clock.now()).expect("activating");
                tx.put(&session, row.version).await.expect("works");
            }
            Work::RestoreArtifact { artifact, .. } => {
                let now = self.clock.now();
                let row = tx.artifact_by_id(job.tenant, artifact).await.expect("works");
                let row = row.expect("it exists");
                let mut artifact = row.value;
                artifact.state = artifact.state.start(now).expect("scheduled");
                artifact.state = artifact.state.succeed(now).expect("in progress");
                artifact.restored = Some(RestoredSite {
                    id: "restored".to_owned(),
                    name: "Restored".to_owned(),
                    web_url: "https://contoso.sharepoint.com/sites/restoredR0".to_owned(),
                });
                tx.put(&artifact, row.version).await.expect("works");
                let tally = tx.tally_artifacts(job.tenant, artifact.session).await.expect("works");
                let row = tx.restore_session(job.tenant, artifact.session).await.expect("works");
                let row = row.expect("it exists");
                let mut session = row.value;
                session.state = session.state.settle(tally, now).expect("active");
                tx.put(&session, row.version).await.expect("works");
            }
        }
    }

    async fn publish(&self, tx: &mut dyn Tx, job: &ClaimedJob, unit: UnitId, gaps: Vec<Gap>) {
        let now = self.clock.now();
        let point = RestorePoint {
            id: RestorePointId::new(unit, now),
            tenant: job.tenant,
            unit,
            protection_date_time: now,
            started_at: now,
            expires_at: RetentionDays::DEFAULT.expiry_of(now),
            snapshot: "00".repeat(32),
            items: 1,
            size_bytes: 1,
            gaps: gaps.len() as u64,
        };
        let publication = Publication { point: Some(point), gaps, drives: Vec::new() };
        tx.publish(unit, job.lease, publication).await.expect("works");
    }

    /// Ends what was asked of the unit, and lets its policy settle.
    async fn move_unit(&self, tx: &mut dyn Tx, job: &ClaimedJob, unit: UnitId) {
        let row = tx.unit(job.tenant, unit).await.expect("works").expect("it exists");
        let mut unit = row.value;
        let policy = unit.policy;
        match job.work {
            Work::ProtectUnit { .. } => {
                let Ok(state) = unit.state.protect() else { return };
                unit.state = state;
                unit.name = Some("Site".to_owned());
                unit.web_url = Some("https://contoso.sharepoint.com/sites/site".to_owned());
            }
            Work::UnprotectUnit { .. } => {
                unit.state = unit.state.unprotect().expect("requested");
            }
            Work::RemoveUnit { .. } => {
                let state = unit.state.detach().expect("requested");
                unit.leave(state, self.clock.now());
            }
            Work::CancelOffboard { .. } => {
                unit.state = unit.state.finish_cancel_offboard().expect("requested");
            }
            _ => unreachable!("the others move no unit"),
        }
        tx.put(&unit, row.version).await.expect("works");
        if let Some(policy) = policy {
            let tally = tx.tally_units(job.tenant, policy).await.expect("works");
            if let Some(row) = tx.policy(job.tenant, policy).await.expect("works") {
                let mut policy = row.value;
                policy.state = policy.state.settle(tally).expect("it settles");
                tx.put(&policy, row.version).await.expect("works");
            }
        }
    }
}
