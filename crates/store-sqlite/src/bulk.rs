//! Rows of `bulk_addition_jobs` and `bulk_restore_requests`.

use holdfast_domain::{
    BulkAdditionJob, BulkJobId, BulkPurpose, BulkRestoreRequest, BulkState, DestinationType,
    PointPreference, TenantId, TimePeriod, Workload,
};
use holdfast_store::StoreError;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, json, optional_json, stamps_columns, text, time};

impl Stored for BulkAdditionJob {
    const TABLE: &'static str = "bulk_addition_jobs";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            policy: row.id("policy")?,
            purpose: row.member("purpose", BulkPurpose::from_name)?,
            display_name: row.text("display_name")?,
            names: row.json("names")?,
            ids: row.json("ids")?,
            state: row.member("status", BulkState::from_name)?,
            error: row.optional_json("error")?,
            stamps: row.stamps()?,
        })
    }
}

impl Written for BulkAdditionJob {
    fn key(&self) -> (&BulkJobId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("policy", text(self.policy)),
            ("purpose", text(self.purpose.name())),
            ("display_name", text(&self.display_name)),
            ("names", json(&self.names)),
            ("ids", json(&self.ids)),
            ("status", text(self.state.name())),
            ("error", optional_json(self.error.as_ref())),
        ];
        columns.extend(stamps_columns(&self.stamps));
        columns
    }
}

impl Stored for BulkRestoreRequest {
    const TABLE: &'static str = "bulk_restore_requests";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            session: row.id("session")?,
            display_name: row.text("display_name")?,
            names: row.json("names")?,
            ids: row.json("ids")?,
            destination: row.member("destination", DestinationType::from_name)?,
            period: TimePeriod {
                start: row.optional_time("period_start")?,
                end: row.optional_time("period_end")?,
            },
            preference: row.member("preference", PointPreference::from_name)?,
            state: row.member("status", BulkState::from_name)?,
            error: row.optional_json("error")?,
            stamps: row.stamps()?,
        })
    }
}

impl Written for BulkRestoreRequest {
    fn key(&self) -> (&BulkJobId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("session", text(self.session)),
            ("display_name", text(&self.display_name)),
            ("names", json(&self.names)),
            ("ids", json(&self.ids)),
            ("destination", text(self.destination.name())),
            ("period_start", time(self.period.start)),
            ("period_end", time(self.period.end)),
            ("preference", text(self.preference.name())),
            ("status", text(self.state.name())),
            ("error", optional_json(self.error.as_ref())),
        ];
        columns.extend(stamps_columns(&self.stamps));
        columns
    }
}
