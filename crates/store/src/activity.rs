//! Entries of the activity log and the mails that go with them: written by `api` and engine alike, each in the transaction of what
//! it tells about.

use holdfast_domain::{
    Activity, ActivityId, ActivityOperation, ActivityResult, Actor, Entropy, Mail,
    ProtectionPolicy, PublicError, TenantId, Timestamp, Workload,
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
    let is_harmful = operation.severity() == "high";
    tell(tx, acting, is_harmful, operation.name(), &details.to_string()).await
}

/// The properties of an entry about a policy.
#[must_use]
pub fn policy_details(policy: &ProtectionPolicy) -> Value {
    json!({
        "policyId": policy.id.to_string(),
        "policyName": policy.display_name,
        "policyStatus": policy.state.status(),
        "retentionPeriod": format!("P{}D", policy.retention.window.days()),
    })
}

/// Puts a mail into the outbox, if the tenant's setting wants one.
///
/// # Errors
/// When the store cannot be written.
pub async fn tell(
    tx: &mut dyn Tx,
    acting: Acting<'_>,
    is_harmful: bool,
    what: &str,
    about: &str,
) -> Result<(), StoreError> {
    let Some(setting) = tx.notifications_setting(acting.tenant).await? else { return Ok(()) };
    let is_wanted = setting.is_enabled && (is_harmful || setting.tells_routine);
    if !is_wanted || setting.custom_recipients.is_empty() {
        return Ok(());
    }
    let body = format!(
        "{what}\n\nWhen: {}\nBy: {}\nAbout: {about}\n",
        acting.now,
        performer(acting.actor)
    );
    tx.post_mail(&Mail {
        tenant: acting.tenant,
        written_at: acting.now,
        recipients: setting.custom_recipients,
        subject: format!("Microsoft 365 backup: {what}"),
        body,
    })
    .await
}
