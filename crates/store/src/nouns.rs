//! One trait for each noun of the control plane. Every method names the tenant: another tenant's object is not found.

use async_trait::async_trait;
use holdfast_domain::{
    Activity, ActivityId, AppId, ArtifactId, ArtifactTally, AuditRecord, BrowseSession,
    BrowseSessionId, BulkAdditionJob, BulkJobId, BulkRestoreRequest, ClaimedJob, ExclusionId,
    ExclusionUnit, Gap, JobId, Lease, Mail, MailId, Notice, NotificationsSetting, PolicyId,
    ProtectionPolicy, ProtectionRule, ProtectionUnit, ResourceId, RestoreArtifact, RestorePoint,
    RestorePointId, RestoreSession, RestoreSessionId, Retention, RuleId, SearchResponseId, Service,
    ServiceApp, TenantId, Timestamp, UnitId, UnitTally, Work, Workload,
};

use crate::query::{
    ActivityColumn, ArtifactColumn, BrowseSessionColumn, BulkJobColumn, BulkRestoreColumn,
    ExclusionColumn, MailColumn, PolicyColumn, RestorePointColumn, RestoreSessionColumn,
    RuleColumn, ServiceAppColumn, UnitColumn,
};
use crate::{Collection, Listed, Noun, StoreError, Version, Versioned};

macro_rules! nouns {
    ($($noun:ty: $id:ty, $column:ty;)*) => {
        $(impl Noun for $noun {
            type Id = $id;
            type Column = $column;
        })*
    };
}

nouns! {
    Activity: ActivityId, ActivityColumn;
    Mail: MailId, MailColumn;
    BrowseSession: BrowseSessionId, BrowseSessionColumn;
    BulkAdditionJob: BulkJobId, BulkJobColumn;
    BulkRestoreRequest: BulkJobId, BulkRestoreColumn;
    ExclusionUnit: ExclusionId, ExclusionColumn;
    ProtectionRule: RuleId, RuleColumn;
    ServiceApp: AppId, ServiceAppColumn;
    ProtectionPolicy: PolicyId, PolicyColumn;
    ProtectionUnit: UnitId, UnitColumn;
    RestoreArtifact: ArtifactId, ArtifactColumn;
    RestorePoint: RestorePointId, RestorePointColumn;
    RestoreSession: RestoreSessionId, RestoreSessionColumn;
}

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
pub trait Policies: Collection<ProtectionPolicy> {
    async fn policy(
        &mut self,
        tenant: TenantId,
        id: PolicyId,
    ) -> Result<Option<Versioned<ProtectionPolicy>>, StoreError> {
        Listed::<ProtectionPolicy>::get(self, tenant, &id).await
    }
    /// How the policy's units stand.
    async fn tally_units(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<UnitTally, StoreError>;
}

#[async_trait]
pub trait Units: Collection<ProtectionUnit> {
    async fn unit(
        &mut self,
        tenant: TenantId,
        id: UnitId,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError> {
        Listed::<ProtectionUnit>::get(self, tenant, &id).await
    }
    /// The unit of a site, drive or mailbox, attached or not.
    async fn unit_of_resource(
        &mut self,
        tenant: TenantId,
        workload: Workload,
        resource: &str,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError>;
    /// The units of a site collection's webs, by the collection's GUID.
    async fn units_of_site_collection(
        &mut self,
        tenant: TenantId,
        collection: &str,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError>;
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

/// Which units a dynamic rule holds in its policy.
#[async_trait]
pub trait Rules: Collection<ProtectionRule> {
    async fn rule_members(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
    ) -> Result<Vec<UnitId>, StoreError>;
    async fn add_rule_member(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
        unit: UnitId,
    ) -> Result<(), StoreError>;
    /// The unit leaves the rule. Is it held by another one?
    async fn remove_rule_member(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
        unit: UnitId,
    ) -> Result<bool, StoreError>;
}

/// The unit of a resource in whichever form it was added, attached or not: sites have two.
///
/// # Errors
/// When the store cannot be read.
pub async fn find_unit(
    tx: &mut dyn crate::Tx,
    tenant: TenantId,
    resource: &ResourceId,
) -> Result<Option<Versioned<ProtectionUnit>>, StoreError> {
    let workload = resource.workload();
    let exact = tx.unit_of_resource(tenant, workload, &resource.to_string()).await?;
    let (None, ResourceId::Site(site)) = (&exact, resource) else { return Ok(exact) };
    let similar = tx.units_of_site_collection(tenant, &site.collection.to_string()).await?;
    Ok(similar.into_iter().find(|row| {
        ResourceId::parse(workload, &row.value.resource)
            .is_some_and(|theirs| theirs.is_same(resource))
    }))
}

#[async_trait]
pub trait RestorePoints: Listed<RestorePoint> {
    async fn restore_point(
        &mut self,
        tenant: TenantId,
        id: RestorePointId,
    ) -> Result<Option<RestorePoint>, StoreError> {
        Ok(Listed::<RestorePoint>::get(self, tenant, &id).await?.map(|row| row.value))
    }
    async fn latest_restore_point(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<Option<RestorePoint>, StoreError>;
    /// Gives every point of a unit that has not expired by `now` the expiry that `retention` says; how many changed. What has expired
    /// stays so.
    async fn set_expiry(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        retention: Retention,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
    async fn gaps(&mut self, tenant: TenantId, id: RestorePointId) -> Result<Vec<Gap>, StoreError>;
}

#[async_trait]
pub trait RestoreSessions: Collection<RestoreSession> {
    async fn restore_session(
        &mut self,
        tenant: TenantId,
        id: RestoreSessionId,
    ) -> Result<Option<Versioned<RestoreSession>>, StoreError> {
        Listed::<RestoreSession>::get(self, tenant, &id).await
    }
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
pub trait Artifacts: Collection<RestoreArtifact> {
    /// By id alone, for the engine.
    async fn artifact_by_id(
        &mut self,
        tenant: TenantId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError> {
        Listed::<RestoreArtifact>::get(self, tenant, &id).await
    }
    async fn artifact(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError>;
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
    /// Takes an address for the new site that the artifact makes; not if another one that has not ended took it.
    async fn take_new_site(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
        address: &str,
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

/// An answer to a search of restore points, which a granular restore of a mailbox refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchResponse {
    pub id: SearchResponseId,
    pub tenant: TenantId,
    /// The point that was found, if one was.
    pub restore_point: Option<RestorePointId>,
    /// The query on items, in the form of its parser; empty when none was sent.
    pub query: String,
    pub expires_at: Timestamp,
}

#[async_trait]
pub trait SearchResponses {
    async fn search_response(
        &mut self,
        tenant: TenantId,
        id: SearchResponseId,
    ) -> Result<Option<SearchResponse>, StoreError>;
    /// Adds it, and forgets those that had expired at `now`.
    async fn insert_search_response(
        &mut self,
        response: &SearchResponse,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// Who is told what, and who did what.
#[async_trait]
pub trait Notifications {
    async fn notifications_setting(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<NotificationsSetting>, StoreError>;
    async fn put_notifications_setting(
        &mut self,
        setting: &NotificationsSetting,
    ) -> Result<(), StoreError>;
    /// Adds it to the tenant's next digest.
    async fn add_notice(&mut self, notice: &Notice) -> Result<(), StoreError>;
    /// The tenant's first notices that no digest told yet, oldest first, each with its place.
    async fn notices(
        &mut self,
        tenant: TenantId,
        limit: u32,
    ) -> Result<Vec<(i64, Notice)>, StoreError>;
    /// A digest tells of them: forgets the tenant's notices up to and at `place`.
    async fn remove_notices(&mut self, tenant: TenantId, place: i64) -> Result<(), StoreError>;
    /// Forgets the tenant's mails that were written before `before`.
    async fn remove_mails(&mut self, tenant: TenantId, before: Timestamp)
    -> Result<(), StoreError>;
    /// Adds a record for good.
    async fn add_audit_record(&mut self, record: &AuditRecord) -> Result<(), StoreError>;
    /// A tenant's records after `place`, oldest first, each with its place.
    async fn audit_records(
        &mut self,
        tenant: TenantId,
        place: i64,
        limit: u32,
    ) -> Result<Vec<(i64, AuditRecord)>, StoreError>;
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
    /// Without it, the repository cannot be opened any more. Overwritten where it was, too.
    async fn destroy_wrapped_repository_secret(&mut self, unit: UnitId) -> Result<(), StoreError>;
    /// Kept when there is one already.
    async fn insert_wrapped_repository_secret(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        wrapped: &str,
    ) -> Result<(), StoreError>;
}
