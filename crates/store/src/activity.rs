//! Entries of the activity log and the notices that go with them: written by `api` and engine alike, each in the transaction of
//! what it tells about.

use holdfast_domain::{
    Activity, ActivityId, ActivityOperation, ActivityResult, Actor, Entropy, JobId, Notice,
    NoticeKind, OffboardingStatus, ProtectionPolicy, ProtectionUnit, PublicError, TenantId,
    Timestamp, Work, Workload, next_digest_at,
};
use serde_json::{Value, json};

use crate::{Collection, StoreError, Tx};

/// Who does something, and when.
#[derive(Clone, Copy)]
pub struct Acting<'a> {
    pub tenant: TenantId,
    pub actor: &'a Actor,
    pub now: Timestamp,
    pub entropy: &'a dyn Entropy,
}

/// The user's or else the application's id; the engine is `system`.
#[must_use]
pub fn performer(actor: &Actor) -> String {
    let identity = actor.user.as_ref().or(actor.application.as_ref());
    identity.map_or_else(|| "system".to_owned(), |identity| identity.id.clone())
}

/// Writes an entry. `details` are the properties of its derived type, by Graph's names.
///
/// # Errors
/// When the store cannot be written.
pub async fn log_activity(
    tx: &mut dyn Tx,
    acting: Acting<'_>,
    operation: ActivityOperation,
    outcome: (ActivityResult, Option<PublicError>),
    workload: Workload,
    details: &Value,
) -> Result<(), StoreError> {
    let activity = Activity {
        id: ActivityId::random(acting.entropy),
        tenant: acting.tenant,
        at: acting.now,
        operation,
        result: outcome.0,
        workload,
        performed_by: performer(acting.actor),
        error: outcome.1,
        details: details.to_string(),
    };
    Collection::<Activity>::insert(tx, &activity).await?;
    let Some(kind) = operation.notice() else { return Ok(()) };
    let what = match activity.result {
        ActivityResult::Succeeded => operation.name().to_owned(),
        result => format!("{} ({})", operation.name(), result.name()),
    };
    tell(tx, acting, kind, &what, &in_words(details)).await
}

/// The properties as text, one after the other.
fn in_words(details: &Value) -> String {
    let Value::Object(details) = details else { return String::new() };
    let words = details.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        value => format!("{name}: {value}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The properties of an entry about a policy.
#[must_use]
pub fn policy_details(policy: &ProtectionPolicy) -> Value {
    let asked = policy.retention.pending.map_or(policy.retention.window, |pending| pending.target);
    json!({
        "policyId": policy.id.to_string(),
        "policyName": policy.display_name,
        "policyStatus": policy.state.status(),
        "retentionPeriod": format!("P{}D", asked.days()),
    })
}

/// How changes of a policy's units went.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnitChanges {
    pub asked_to_add: u64,
    pub asked_to_remove: u64,
    pub added: u64,
    pub removed: u64,
}

impl UnitChanges {
    /// `protectionUnitDetails`. `chosen`: how the units were, for `backupConfigurationType`, which is free text.
    #[must_use]
    pub fn details(self, chosen: &str) -> Value {
        json!({
            "requestedToAddCount": self.asked_to_add,
            "requestedToRemoveCount": self.asked_to_remove,
            "addedCount": self.added,
            "removedCount": self.removed,
            "failedCount": self.asked_to_add + self.asked_to_remove - self.added - self.removed,
            "backupConfigurationType": chosen,
        })
    }
}

/// Writes an entry about the offboarding of one unit: asked for, cancelled or completed.
///
/// # Errors
/// When the store cannot be written.
pub async fn log_offboarding(
    tx: &mut dyn Tx,
    acting: Acting<'_>,
    unit: &ProtectionUnit,
    status: OffboardingStatus,
    start: Timestamp,
    end: Timestamp,
) -> Result<(), StoreError> {
    let count = |counted| u32::from(status == counted);
    let details = json!({
        "offboardingDetails": {
            "totalRequestedCount": 1,
            "offboardedCount": count(OffboardingStatus::Completed),
            "failedCount": 0,
            "cancelledCount": count(OffboardingStatus::Cancelled),
            "offboardStartDateTime": start.to_string(),
            "offboardEndDateTime": end.to_string(),
            "offboardingStatus": status.name(),
        },
    });
    let (operation, outcome) =
        (ActivityOperation::ProtectionUnitLevelOffboarding, (ActivityResult::Succeeded, None));
    log_activity(tx, acting, operation, outcome, unit.workload, &details).await
}

/// Notes it for the tenant's next digest, if its setting wants that.
///
/// # Errors
/// When the store cannot be written.
pub async fn tell(
    tx: &mut dyn Tx,
    acting: Acting<'_>,
    kind: NoticeKind,
    what: &str,
    about: &str,
) -> Result<(), StoreError> {
    let Some(setting) = tx.notifications_setting(acting.tenant).await? else { return Ok(()) };
    let is_wanted = match kind {
        NoticeKind::Harmful => setting.is_enabled,
        NoticeKind::Routine => setting.is_enabled && setting.tells_routine,
    };
    if !is_wanted || setting.recipients.is_nobody() {
        return Ok(());
    }
    tx.add_notice(&Notice {
        tenant: acting.tenant,
        at: acting.now,
        kind,
        recipients: setting.recipients,
        what: what.to_owned(),
        about: about.to_owned(),
        by: performer(acting.actor),
    })
    .await?;
    let id = JobId::random(acting.entropy);
    tx.enqueue(acting.tenant, id, Work::WriteDigest, next_digest_at(acting.now)).await
}
