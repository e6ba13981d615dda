//! Rows of `restore_sessions`.

use holdfast_domain::{
    ConflictBehavior, RestoreJobType, RestoreOutcome, RestoreSession, RestoreSessionId,
    RestoreState, TenantId, Timestamp, Workload,
};
use holdfast_store::{RestoreSessions, StoreError};
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, nonsense, optional_json, optional_text, stamps_columns, text, time};
use crate::{SqliteTx, failed};

impl RestoreSessions for SqliteTx {}

fn state_since(state: RestoreState) -> Option<Timestamp> {
    match state {
        RestoreState::Draft => None,
        RestoreState::Activating { requested_at } => Some(requested_at),
        RestoreState::Active { started_at } => Some(started_at),
        RestoreState::Ended { ended_at, .. } => Some(ended_at),
    }
}

impl Stored for RestoreSession {
    const TABLE: &'static str = "restore_sessions";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let since = || {
            row.optional_time("state_since")?
                .ok_or_else(|| nonsense("restore_sessions.state_since", "missing"))
        };
        let ended =
            |outcome| Ok::<_, StoreError>(RestoreState::Ended { ended_at: since()?, outcome });
        let state = match row.text("status")?.as_str() {
            "draft" => RestoreState::Draft,
            "activating" => RestoreState::Activating { requested_at: since()? },
            "active" => RestoreState::Active { started_at: since()? },
            "completed" => ended(RestoreOutcome::Completed)?,
            "completedWithError" => ended(RestoreOutcome::CompletedWithError)?,
            "failed" => ended(RestoreOutcome::Failed)?,
            other => return Err(nonsense("restore_sessions.status", other)),
        };
        let workload = row.text("workload")?;
        Ok(RestoreSession {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: Workload::from_name(&workload)
                .ok_or_else(|| nonsense("restore_sessions.workload", &workload))?,
            kind: row.member("kind", RestoreJobType::from_name)?,
            policy: row.optional_id("policy")?,
            conflict_behavior: row.member("conflict_behavior", ConflictBehavior::from_name)?,
            keeps_item_permissions: row.flag("keeps_item_permissions")?,
            state,
            error: row.optional_json("error")?,
            stamps: row.stamps()?,
        })
    }
}

impl Written for RestoreSession {
    fn key(&self) -> (&RestoreSessionId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("status", text(self.state.status())),
            ("state_since", time(state_since(self.state))),
            ("completed_at", time(self.state.completed_at())),
            ("kind", text(self.kind.name())),
            ("policy", optional_text(self.policy)),
            ("conflict_behavior", text(self.conflict_behavior.name())),
            ("keeps_item_permissions", self.keeps_item_permissions.into()),
            ("error", optional_json(self.error.as_ref())),
        ];
        columns.extend(stamps_columns(&self.stamps));
        columns
    }

    /// Its artifacts, and their lists of failures.
    fn delete_parts(&self, tx: &SqliteTx) -> Result<(), StoreError> {
        let id = self.id.to_string();
        for statement in [
            "DELETE FROM restore_artifact_failures WHERE artifact IN (SELECT id FROM restore_artifacts WHERE session = ?)",
            "DELETE FROM restore_artifacts WHERE session = ?",
        ] {
            tx.sql().execute(statement, [&id]).map_err(failed)?;
        }
        Ok(())
    }
}
