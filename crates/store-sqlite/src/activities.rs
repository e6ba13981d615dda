//! Rows of `activities`.

use holdfast_domain::{
    Activity, ActivityId, ActivityOperation, ActivityResult, TenantId, Workload,
};
use holdfast_store::StoreError;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, optional_json, text};

impl Stored for Activity {
    const TABLE: &'static str = "activities";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            at: row.time("at")?,
            operation: row.member("operation", ActivityOperation::from_name)?,
            result: row.member("result", ActivityResult::from_name)?,
            workload: row.member("workload", Workload::from_name)?,
            performed_by: row.text("performed_by")?,
            error: row.optional_json("error")?,
            details: row.text("details")?,
        })
    }
}

impl Written for Activity {
    fn key(&self) -> (&ActivityId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        vec![
            ("at", self.at.unix_micros().into()),
            ("operation", text(self.operation.name())),
            ("result", text(self.result.name())),
            ("workload", text(self.workload.name())),
            ("performed_by", text(&self.performed_by)),
            ("error", optional_json(self.error.as_ref())),
            ("details", text(&self.details)),
        ]
    }
}
