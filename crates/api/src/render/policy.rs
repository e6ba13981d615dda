//! Policies and their recovery windows.

use holdfast_domain::{PolicyState, ProtectionPolicy, RetentionDays};
use holdfast_graph_model::evolvable::ProtectionPolicyStatus;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::shape::Shape;
use crate::workload::Wording;

/// A policy without `protectionPolicyArtifactCount`.
pub(crate) fn policy(policy: &ProtectionPolicy, call: &Call) -> Map<String, Value> {
    let status = match policy.state {
        PolicyState::Inactive => ProtectionPolicyStatus::Inactive,
        PolicyState::Updating { .. } => ProtectionPolicyStatus::Updating,
        PolicyState::Active => ProtectionPolicyStatus::Active,
        PolicyState::ActiveWithErrors => ProtectionPolicyStatus::ActiveWithErrors,
    };
    Shape::of(policy.workload.policy_type(), call.viewer)
        .set("id", policy.id.to_string())
        .set("displayName", policy.display_name.clone())
        .member("status", status)
        .set("isEnabled", policy.state.protects())
        .set("retentionSettings", retention_settings(policy.retention.at(call.now()).window))
        .set("protectionMode", policy.mode.name())
        .stamps(&policy.stamps)
        .done()
}

/// `retentionSettings`: ten-minute points for two weeks, weekly ones to the end of the window.
pub(crate) fn retention_settings(window: RetentionDays) -> Value {
    let period = match window.days() {
        365 => "P1Y".to_owned(),
        days => format!("P{days}D"),
    };
    json!([
        { "interval": "R/PT10M", "period": "P2W" },
        { "interval": "R/P1W", "period": period },
    ])
}

/// A period as [`retention_settings`] shows it, however it is written.
pub(crate) fn shown_period(period: &str) -> String {
    match period {
        "P14D" => "P2W",
        "P365D" => "P1Y",
        other => other,
    }
    .to_owned()
}

/// The window that a period names: `P90D`, `P180D`, and so on, or `P1Y`, as it is read.
pub(crate) fn retention_of(period: &str) -> Option<RetentionDays> {
    match period {
        "P1Y" => Some(RetentionDays::DEFAULT),
        other => {
            let days = other.strip_prefix('P')?.strip_suffix('D')?;
            // One spelling for each: no sign, no leading zeros.
            let number: u32 = days.parse().ok()?;
            RetentionDays::new(number).filter(|_| number.to_string() == days)
        }
    }
}
