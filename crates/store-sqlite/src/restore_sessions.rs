//! Rows of `restore_sessions`.

use async_trait::async_trait;
use holdfast_domain::{
    RestoreOutcome, RestoreSession, RestoreSessionId, RestoreState, TenantId, Timestamp, Workload,
};
use holdfast_store::query::{Filter, ListQuery, Page, RestoreSessionColumn};
use holdfast_store::{RestoreSessions, StoreError, Version, Versioned};
use rusqlite::{named_params, params};

use crate::rows::{Columns, actor_text, micros_of, nonsense, public_error_text};
use crate::{SqliteTx, failed, query};

#[async_trait]
impl RestoreSessions for SqliteTx {
    async fn restore_session(
        &mut self,
        tenant: TenantId,
        id: RestoreSessionId,
    ) -> Result<Option<Versioned<RestoreSession>>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM restore_sessions WHERE id = ? AND tenant = ?")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![id.to_string(), tenant.to_string()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let row = Columns(row);
        Ok(Some(Versioned { value: session_of(&row)?, version: row.integer("version")? }))
    }

    async fn insert_restore_session(&mut self, session: &RestoreSession) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO restore_sessions VALUES (:id, :tenant, :workload, :status, :since, :completed, :error, :created_by, :created_at, :by, :at, 1)",
            named_params! {
                ":id": session.id.to_string(),
                ":tenant": session.tenant.to_string(),
                ":workload": session.workload.name(),
                ":status": session.state.status(),
                ":since": micros_of(state_since(session.state)),
                ":completed": micros_of(session.state.completed_at()),
                ":error": public_error_text(session.error.as_ref()),
                ":created_by": actor_text(&session.stamps.created_by),
                ":created_at": session.stamps.created_at.unix_micros(),
                ":by": actor_text(&session.stamps.last_modified_by),
                ":at": session.stamps.last_modified_at.unix_micros(),
            },
        )
    }

    async fn put_restore_session(
        &mut self,
        session: &RestoreSession,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "UPDATE restore_sessions SET status = :status, state_since = :since, completed_at = :completed, error = :error, last_modified_by = :by, last_modified_at = :at, version = version + 1
             WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! {
                ":id": session.id.to_string(),
                ":tenant": session.tenant.to_string(),
                ":status": session.state.status(),
                ":since": micros_of(state_since(session.state)),
                ":completed": micros_of(session.state.completed_at()),
                ":error": public_error_text(session.error.as_ref()),
                ":by": actor_text(&session.stamps.last_modified_by),
                ":at": session.stamps.last_modified_at.unix_micros(),
                ":read": read,
            },
        )
    }

    async fn delete_restore_session(
        &mut self,
        tenant: TenantId,
        id: RestoreSessionId,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "DELETE FROM restore_sessions WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! { ":id": id.to_string(), ":tenant": tenant.to_string(), ":read": read },
        )?;
        let id = id.to_string();
        self.sql().execute("DELETE FROM restore_artifact_failures WHERE artifact IN (SELECT id FROM restore_artifacts WHERE session = ?)", [&id]).map_err(failed)?;
        self.sql()
            .execute("DELETE FROM restore_artifacts WHERE session = ?", [&id])
            .map_err(failed)?;
        Ok(())
    }

    async fn list_restore_sessions(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<RestoreSessionColumn>,
    ) -> Result<Page<RestoreSession>, StoreError> {
        query::list(self, tenant, query, session_of)
    }

    async fn count_restore_sessions(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<RestoreSessionColumn>>,
    ) -> Result<u64, StoreError> {
        query::count(self, tenant, filter)
    }
}

fn state_since(state: RestoreState) -> Option<Timestamp> {
    match state {
        RestoreState::Draft => None,
        RestoreState::Activating { requested_at } => Some(requested_at),
        RestoreState::Active { started_at } => Some(started_at),
        RestoreState::Ended { ended_at, .. } => Some(ended_at),
    }
}

fn session_of(row: &Columns<'_>) -> Result<RestoreSession, StoreError> {
    let since = || {
        row.optional_time("state_since")?
            .ok_or_else(|| nonsense("restore_sessions.state_since", "missing"))
    };
    let ended = |outcome| Ok::<_, StoreError>(RestoreState::Ended { ended_at: since()?, outcome });
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
        state,
        error: row.public_error("error")?,
        stamps: row.stamps()?,
    })
}
