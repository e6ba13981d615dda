//! One trait for each noun of the control plane. Every method names the tenant: another tenant's object is not found.

use async_trait::async_trait;
use holdfast_domain::{
    ArtifactId, ArtifactTally, ClaimedJob, Gap, JobId, Lease, PolicyId, ProtectionPolicy,
    ProtectionUnit, RestoreArtifact, RestorePoint, RestorePointId, RestoreSession,
    RestoreSessionId, Service, TenantId, Timestamp, UnitId, UnitTally, Work, Workload,
};

use crate::query::{
    ArtifactColumn, Filter, ListQuery, Page, PolicyColumn, RestorePointColumn,
    RestoreSessionColumn, UnitColumn,
};
use crate::{StoreError, Version, Versioned};

#[async_trait]
pub trait Services {
    async fn service(&mut self, tenant: TenantId)
    -> Result<Option<Versioned<Service>>, StoreError>;
    /// Inserts when `read` is `None`.
    async fn put_service(
        &mut self,
        service: &Service,
        read: Option<Version>,
    ) -> Result<(), StoreError>;
    /// All tenants that have a service row.
    async fn tenants(&mut self) -> Result<Vec<TenantId>, StoreError>;
}

#[async_trait]
pub trait Policies {
    async fn policy(
        &mut self,
        tenant: TenantId,
        id: PolicyId,
    ) -> Result<Option<Versioned<ProtectionPolicy>>, StoreError>;
    async fn insert_policy(&mut self, policy: &ProtectionPolicy) -> Result<(), StoreError>;
    async fn put_policy(
        &mut self,
        policy: &ProtectionPolicy,
        read: Version,
    ) -> Result<(), StoreError>;
    async fn delete_policy(
        &mut self,
        tenant: TenantId,
        id: PolicyId,
        read: Version,
    ) -> Result<(), StoreError>;
    /// Own order: newest first.
    async fn list_policies(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<PolicyColumn>,
    ) -> Result<Page<ProtectionPolicy>, StoreError>;
    async fn count_policies(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<PolicyColumn>>,
    ) -> Result<u64, StoreError>;
    /// How the policy's units stand.
    async fn tally_units(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<UnitTally, StoreError>;
}

#[async_trait]
pub trait Units {
    async fn unit(
        &mut self,
        tenant: TenantId,
        id: UnitId,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError>;
    /// The unit of a site, drive or mailbox, attached or not.
    async fn unit_of_resource(
        &mut self,
        tenant: TenantId,
        workload: Workload,
        resource: &str,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError>;
    async fn insert_unit(&mut self, unit: &ProtectionUnit) -> Result<(), StoreError>;
    async fn put_unit(&mut self, unit: &ProtectionUnit, read: Version) -> Result<(), StoreError>;
    /// Own order: newest first.
    async fn list_units(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<UnitColumn>,
    ) -> Result<Page<ProtectionUnit>, StoreError>;
    async fn count_units(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<UnitColumn>>,
    ) -> Result<u64, StoreError>;
    /// Every unit of a policy.
    async fn units_of_policy(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError>;
    /// Protected units of any tenant whose `next_backup_at` has come and for which no backup or protection is pending, oldest first.
    async fn units_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError>;
}

#[async_trait]
pub trait RestorePoints {
    async fn restore_point(
        &mut self,
        tenant: TenantId,
        id: RestorePointId,
    ) -> Result<Option<RestorePoint>, StoreError>;
    async fn latest_restore_point(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<Option<RestorePoint>, StoreError>;
    /// Own order: newest first.
    async fn list_restore_points(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<RestorePointColumn>,
    ) -> Result<Page<RestorePoint>, StoreError>;
    async fn count_restore_points(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<RestorePointColumn>>,
    ) -> Result<u64, StoreError>;
    async fn gaps(&mut self, tenant: TenantId, id: RestorePointId) -> Result<Vec<Gap>, StoreError>;
}

#[async_trait]
pub trait RestoreSessions {
    async fn restore_session(
        &mut self,
        tenant: TenantId,
        id: RestoreSessionId,
    ) -> Result<Option<Versioned<RestoreSession>>, StoreError>;
    async fn insert_restore_session(&mut self, session: &RestoreSession) -> Result<(), StoreError>;
    async fn put_restore_session(
        &mut self,
        session: &RestoreSession,
        read: Version,
    ) -> Result<(), StoreError>;
    /// With its artifacts.
    async fn delete_restore_session(
        &mut self,
        tenant: TenantId,
        id: RestoreSessionId,
        read: Version,
    ) -> Result<(), StoreError>;
    /// Own order: newest first.
    async fn list_restore_sessions(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<RestoreSessionColumn>,
    ) -> Result<Page<RestoreSession>, StoreError>;
    async fn count_restore_sessions(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<RestoreSessionColumn>>,
    ) -> Result<u64, StoreError>;
}

/// An item that a restore could not restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// Path in the library.
    pub path: String,
    pub code: String,
    pub message: String,
}

#[async_trait]
pub trait Artifacts {
    async fn artifact(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError>;
    /// By id alone, for the engine.
    async fn artifact_by_id(
        &mut self,
        tenant: TenantId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError>;
    async fn insert_artifact(&mut self, artifact: &RestoreArtifact) -> Result<(), StoreError>;
    async fn put_artifact(
        &mut self,
        artifact: &RestoreArtifact,
        read: Version,
    ) -> Result<(), StoreError>;
    async fn delete_artifact(
        &mut self,
        tenant: TenantId,
        id: ArtifactId,
        read: Version,
    ) -> Result<(), StoreError>;
    /// Own order: oldest first.
    async fn list_artifacts(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<ArtifactColumn>,
    ) -> Result<Page<RestoreArtifact>, StoreError>;
    async fn count_artifacts(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<ArtifactColumn>>,
    ) -> Result<u64, StoreError>;
    /// Every artifact of a session, oldest first.
    async fn artifacts_of_session(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
    ) -> Result<Vec<Versioned<RestoreArtifact>>, StoreError>;
    async fn tally_artifacts(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
    ) -> Result<ArtifactTally, StoreError>;
    /// Is an artifact of this unit restoring or about to, in a session other than `except`?
    async fn unit_is_being_restored(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        except: RestoreSessionId,
    ) -> Result<bool, StoreError>;
    /// Replaces the artifact's list of failures.
    async fn put_failures(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
        failures: &[ItemFailure],
    ) -> Result<(), StoreError>;
    async fn failures(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
    ) -> Result<Vec<ItemFailure>, StoreError>;
}

#[async_trait]
pub trait Jobs {
    /// Adds work. The same work that waits already is not added again.
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        id: JobId,
        work: Work,
        not_before: Timestamp,
    ) -> Result<(), StoreError>;
    /// Takes the oldest job that is ready: not before its time, with no living lease, and of a unit on which no other job
    /// has a living lease. Waiting restores of a unit go before its waiting backups.
    async fn claim(
        &mut self,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError>;
    /// # Errors
    /// [`StoreError::LeaseLost`] when another worker has claimed the job since.
    async fn renew(&mut self, lease: Lease, until: Timestamp) -> Result<Lease, StoreError>;
    /// Fails with [`StoreError::LeaseLost`] unless `lease` is the job's newest. For transactions that write other rows.
    async fn guard(&mut self, lease: Lease) -> Result<(), StoreError>;
    async fn put_progress(&mut self, lease: Lease, progress: &str) -> Result<(), StoreError>;
    /// The job is done, or given up after its failure was written where users see it.
    async fn finish(&mut self, lease: Lease) -> Result<(), StoreError>;
    /// The job goes back to the queue.
    async fn release(
        &mut self,
        lease: Lease,
        not_before: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError>;
    /// Ends every lease in the store, so that its job can be claimed at once; says how many there were. Only for a process
    /// that knows that it is the store's only user and has claimed nothing yet. Should it be wrong, nothing is lost: a
    /// claim gives a newer token, and the earlier holder's writes are refused from then on.
    async fn end_leases(&mut self) -> Result<u64, StoreError>;
    /// When the next job may become ready; `None` when nothing waits.
    async fn next_job_at(&mut self) -> Result<Option<Timestamp>, StoreError>;
}

/// A secret of a tenant or repository, wrapped by the key above it; never the secret itself.
#[async_trait]
pub trait Keys {
    async fn wrapped_tenant_key(&mut self, tenant: TenantId) -> Result<Option<String>, StoreError>;
    /// Kept when there is one already: two nodes that make a key at once must end with the same.
    async fn insert_wrapped_tenant_key(
        &mut self,
        tenant: TenantId,
        wrapped: &str,
    ) -> Result<(), StoreError>;
    async fn wrapped_repository_secret(
        &mut self,
        unit: UnitId,
    ) -> Result<Option<String>, StoreError>;
    /// Kept when there is one already.
    async fn insert_wrapped_repository_secret(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        wrapped: &str,
    ) -> Result<(), StoreError>;
}
