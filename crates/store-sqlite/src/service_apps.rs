//! Rows of `service_apps`.

use holdfast_domain::{AppId, ServiceApp, ServiceAppState, TenantId};
use holdfast_store::StoreError;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, json, nonsense, text, time};

impl Stored for ServiceApp {
    const TABLE: &'static str = "service_apps";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let state = match (row.text("status")?.as_str(), row.optional_time("effective_at")?) {
            ("inactive", None) => ServiceAppState::Inactive,
            ("active", Some(since)) => ServiceAppState::Active { since },
            ("pendingActive", Some(effective_at)) => {
                ServiceAppState::PendingActive { effective_at }
            }
            ("pendingInactive", Some(effective_at)) => {
                ServiceAppState::PendingInactive { effective_at }
            }
            (other, _) => return Err(nonsense("service_apps.status", other)),
        };
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            state,
            registered_at: row.time("registered_at")?,
            last_modified_by: row.json("last_modified_by")?,
            last_modified_at: row.time("last_modified_at")?,
        })
    }
}

impl Written for ServiceApp {
    fn key(&self) -> (&AppId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        vec![
            ("status", text(self.state.status())),
            ("effective_at", time(self.state.effective_at())),
            ("registered_at", self.registered_at.unix_micros().into()),
            ("last_modified_by", json(&self.last_modified_by)),
            ("last_modified_at", self.last_modified_at.unix_micros().into()),
        ]
    }
}
