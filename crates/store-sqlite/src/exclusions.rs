//! Rows of `exclusion_units`.

use holdfast_domain::{ExclusionId, ExclusionUnit, TenantId, Workload};
use holdfast_store::StoreError;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, stamps_columns, text};

impl Stored for ExclusionUnit {
    const TABLE: &'static str = "exclusion_units";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            policy: row.id("policy")?,
            resource: row.text("resource")?,
            stamps: row.stamps()?,
        })
    }
}

impl Written for ExclusionUnit {
    fn key(&self) -> (&ExclusionId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("policy", text(self.policy)),
            ("resource", text(&self.resource)),
        ];
        columns.extend(stamps_columns(&self.stamps));
        columns
    }
}
