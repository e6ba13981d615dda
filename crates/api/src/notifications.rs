//! `emailNotificationsSetting`: who is told about what, by mail.

use holdfast_domain::NotificationsSetting;
use holdfast_domain::limits::NOTIFICATION_RECIPIENTS;
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

/// What is not sent stays as it is. The recipients are given one by one: their role is read-only for controller applications.
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
    let recipients = body.take_object("recipients")?.map(read_recipients).transpose()?.flatten();
    body.take("id");
    body.finish()?;

    let mut tx = call.write().await?;
    let before = tx.notifications_setting(call.caller.tenant).await?;
    let mut setting = before.clone().unwrap_or_else(|| NotificationsSetting {
        tenant: call.caller.tenant,
        is_enabled: false,
        tells_routine: false,
        custom_recipients: Vec::new(),
        last_modified_by: call.caller.actor.clone(),
        last_modified_at: call.now(),
    });
    setting.is_enabled = is_enabled.unwrap_or(setting.is_enabled);
    setting.tells_routine = tells_routine.unwrap_or(setting.tells_routine);
    setting.custom_recipients = recipients.unwrap_or(setting.custom_recipients);
    setting.last_modified_by = call.caller.actor.clone();
    setting.last_modified_at = call.now();
    // Told by the setting that ends: who switches notifications off cannot do so in silence. Switching them on is told by the new one.
    let (what, about) = ("The notification setting was changed", "emailNotificationsSetting");
    let was_enabled = before.is_some_and(|before| before.is_enabled);
    if was_enabled {
        tx.tell_harm(what, about).await?;
    }
    tx.put_notifications_setting(&setting).await?;
    if !was_enabled {
        tx.tell_harm(what, about).await?;
    }
    tx.commit().await?;
    Ok(Answer::ok(entity(&call, CONTEXT, render::notifications(Some(&setting), call.viewer))))
}

/// The addresses of `customRecipients`, if they are there.
fn read_recipients(mut recipients: JsonObject) -> Result<Option<Vec<String>>, Problem> {
    recipients.check_type("notificationRecipients")?;
    if let Some(role) = recipients.take_text("role")?
        && role != "custom"
    {
        return Err(recipients.refuse("role", "can only be custom for controller applications"));
    }
    let Some(items) = recipients.take_list("customRecipients")? else {
        recipients.finish()?;
        return Ok(None);
    };
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
        for name in ["@odata.type", "id", "displayName"] {
            item.take(name);
        }
        item.finish()?;
        if !emails.contains(&email) {
            emails.push(email);
        }
    }
    recipients.finish()?;
    Ok(Some(emails))
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
