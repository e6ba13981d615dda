//! `emailNotificationsSetting`: who is told about what, by mail.

use holdfast_domain::limits::NOTIFICATION_RECIPIENTS;
use holdfast_domain::{NotificationsSetting, RecipientRoles, Recipients};
use holdfast_graph_model::ErrorCode;
use serde_json::Value;

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::entity;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;

const CONTEXT: &str = "/emailNotificationsSetting/$entity";

pub(crate) async fn get_setting(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let setting = call.read().await?.notifications_setting(call.caller.tenant).await?;
    let body = render::notifications(setting.as_ref(), call.viewer);
    Ok(Answer::ok(entity(&call, CONTEXT, body)))
}

/// What is not sent stays as it is. In Microsoft's service only its own admin centre sets the recipients' role; here there is
/// no other client than applications, so that administrators may, unless `strict` is configured.
pub(crate) async fn update_setting(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type("emailNotificationsSetting")?;
    let is_enabled = body.take_flag("isEnabled")?;
    let tells_routine = match body.take_text("additionalEvents")?.as_deref() {
        None => None,
        Some("none") => Some(false),
        Some("restoreAndPolicyUpdates") => Some(true),
        Some(_) => {
            return Err(body.refuse("additionalEvents", "must be none or restoreAndPolicyUpdates"));
        }
    };
    let recipients = body.take_object("recipients")?;
    let recipients =
        recipients.map(|object| read_recipients(object, call.app.strict)).transpose()?;
    body.take("id");
    body.finish()?;

    let mut tx = call.write().await?;
    let before = tx.notifications_setting(call.caller.tenant).await?;
    let mut setting = before.clone().unwrap_or_else(|| NotificationsSetting {
        tenant: call.caller.tenant,
        is_enabled: false,
        tells_routine: false,
        recipients: Recipients::custom(Vec::new()),
        last_modified_by: call.caller.actor.clone(),
        last_modified_at: call.now(),
    });
    setting.is_enabled = is_enabled.unwrap_or(setting.is_enabled);
    setting.tells_routine = tells_routine.unwrap_or(setting.tells_routine);
    if let Some(sent) = recipients {
        setting.recipients.roles = sent.roles.unwrap_or(setting.recipients.roles);
        if let Some(custom) = sent.custom {
            if !setting.recipients.roles.custom && !custom.is_empty() {
                return Err(Problem::at(
                    ErrorCode::BadRequest,
                    "recipients/customRecipients",
                    "'recipients/customRecipients' goes with the role custom only.",
                ));
            }
            setting.recipients.custom = custom;
        }
    }
    setting.last_modified_by = call.caller.actor.clone();
    setting.last_modified_at = call.now();
    // Told to those of the setting that ends: who switches notifications off, or names others, cannot do so in silence. Told to
    // those of the new one when it is switched on, or its recipients are others.
    let (what, about) = ("The notification setting was changed", "emailNotificationsSetting");
    let told = before.filter(|before| before.is_enabled).map(|before| before.recipients);
    if told.is_some() {
        tx.tell_harm(what, about).await?;
    }
    tx.put_notifications_setting(&setting).await?;
    if told.as_ref() != Some(&setting.recipients) {
        tx.tell_harm(what, about).await?;
    }
    tx.commit().await?;
    Ok(Answer::ok(entity(&call, CONTEXT, render::notifications(Some(&setting), call.viewer))))
}

/// What of `recipients` was sent.
struct SentRecipients {
    roles: Option<RecipientRoles>,
    custom: Option<Vec<String>>,
}

fn read_recipients(mut recipients: JsonObject, is_strict: bool) -> Result<SentRecipients, Problem> {
    recipients.check_type("notificationRecipients")?;
    let roles = match recipients.take("role") {
        None => None,
        Some(role) if is_strict && role != "custom" => {
            let why = "can only be custom for controller applications";
            return Err(recipients.refuse("role", why));
        }
        Some(role) => Some(role.as_str().and_then(RecipientRoles::from_name).ok_or_else(|| {
            let why = "must be none, or some of globalAdmins, backupAdmins, custom and allAdmins";
            recipients.refuse("role", why)
        })?),
    };
    let custom = match recipients.take_list("customRecipients")? {
        Some(items) => Some(read_addresses(items, &recipients)?),
        None => None,
    };
    recipients.finish()?;
    Ok(SentRecipients { roles, custom })
}

fn read_addresses(items: Vec<Value>, recipients: &JsonObject) -> Result<Vec<String>, Problem> {
    if items.len() > NOTIFICATION_RECIPIENTS {
        let why = format!("can name at most {NOTIFICATION_RECIPIENTS}");
        return Err(recipients.refuse("customRecipients", &why));
    }
    let mut emails = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let place = recipients.place(&format!("customRecipients/{index}"));
        let mut item = JsonObject::from_value(item, place, ErrorCode::BadRequest)?;
        let email = match item.take("email") {
            Some(Value::String(email)) if is_address(&email) => email,
            Some(_) | None => return Err(item.refuse("email", "must be an e-mail address")),
        };
        item.pass_over(&["@odata.type", "id", "displayName"]);
        item.finish()?;
        if !emails.iter().any(|known: &String| known.eq_ignore_ascii_case(&email)) {
            emails.push(email);
        }
    }
    Ok(emails)
}

/// Plain addresses only: what a mail header could be broken with is none.
fn is_address(text: &str) -> bool {
    let is_clean = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "._%+-".contains(c))
    };
    text.len() <= 254
        && text.split_once('@').is_some_and(|(user, domain)| {
            is_clean(user) && is_clean(domain) && domain.contains('.')
        })
}

#[cfg(test)]
mod tests;
