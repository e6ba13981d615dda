//! Rows of `restore_artifacts` and `restore_artifact_failures`.

use async_trait::async_trait;
use holdfast_domain::{
    ArtifactId, ArtifactState, ArtifactTally, DestinationType, RestoreArtifact, RestoreSessionId,
    RestoredSite, TenantId, UnitId,
};
use holdfast_store::query::{ArtifactColumn, Filter, ListQuery, Page};
use holdfast_store::{Artifacts, ItemFailure, StoreError, Version, Versioned};
use rusqlite::{Params, named_params, params};

use crate::rows::{Columns, micros_of, nonsense, public_error_text};
use crate::{SqliteTx, failed, query};

#[async_trait]
impl Artifacts for SqliteTx {
    async fn artifact(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError> {
        Ok(self
            .artifacts(
                "SELECT * FROM restore_artifacts WHERE id = ? AND session = ? AND tenant = ?",
                params![id.to_string(), session.to_string(), tenant.to_string()],
            )?
            .pop())
    }

    async fn artifact_by_id(
        &mut self,
        tenant: TenantId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError> {
        Ok(self
            .artifacts(
                "SELECT * FROM restore_artifacts WHERE id = ? AND tenant = ?",
                params![id.to_string(), tenant.to_string()],
            )?
            .pop())
    }

    async fn insert_artifact(&mut self, artifact: &RestoreArtifact) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO restore_artifacts (id, tenant, session, unit, restore_point, destination, status, started_at, ended_at, error, restored_id, restored_name, restored_web_url, created_at, version)
             VALUES (:id, :tenant, :session, :unit, :point, :destination, :status, :started, :ended, :error, :restored_id, :restored_name, :restored_web_url, :created, 1)",
            named_params! {
                ":id": artifact.id.to_string(),
                ":tenant": artifact.tenant.to_string(),
                ":session": artifact.session.to_string(),
                ":unit": artifact.restore_point.unit().to_string(),
                ":point": artifact.restore_point.to_string(),
                ":destination": artifact.destination.name(),
                ":status": artifact.state.status(),
                ":started": micros_of(artifact.state.started_at()),
                ":ended": micros_of(artifact.state.ended_at()),
                ":error": public_error_text(artifact.error.as_ref()),
                ":restored_id": artifact.restored.as_ref().map(|site| &site.id),
                ":restored_name": artifact.restored.as_ref().map(|site| &site.name),
                ":restored_web_url": artifact.restored.as_ref().map(|site| &site.web_url),
                ":created": artifact.created_at.unix_micros(),
            },
        )
    }

    async fn put_artifact(
        &mut self,
        artifact: &RestoreArtifact,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "UPDATE restore_artifacts SET unit = :unit, restore_point = :point, destination = :destination, status = :status, started_at = :started, ended_at = :ended, error = :error,
               restored_id = :restored_id, restored_name = :restored_name, restored_web_url = :restored_web_url, version = version + 1
             WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! {
                ":id": artifact.id.to_string(),
                ":tenant": artifact.tenant.to_string(),
                ":unit": artifact.restore_point.unit().to_string(),
                ":point": artifact.restore_point.to_string(),
                ":destination": artifact.destination.name(),
                ":status": artifact.state.status(),
                ":started": micros_of(artifact.state.started_at()),
                ":ended": micros_of(artifact.state.ended_at()),
                ":error": public_error_text(artifact.error.as_ref()),
                ":restored_id": artifact.restored.as_ref().map(|site| &site.id),
                ":restored_name": artifact.restored.as_ref().map(|site| &site.name),
                ":restored_web_url": artifact.restored.as_ref().map(|site| &site.web_url),
                ":read": read,
            },
        )
    }

    async fn delete_artifact(
        &mut self,
        tenant: TenantId,
        id: ArtifactId,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "DELETE FROM restore_artifacts WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! { ":id": id.to_string(), ":tenant": tenant.to_string(), ":read": read },
        )
    }

    async fn list_artifacts(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<ArtifactColumn>,
    ) -> Result<Page<RestoreArtifact>, StoreError> {
        query::list(self, tenant, query, artifact_of)
    }

    async fn count_artifacts(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<ArtifactColumn>>,
    ) -> Result<u64, StoreError> {
        query::count(self, tenant, filter)
    }

    async fn artifacts_of_session(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
    ) -> Result<Vec<Versioned<RestoreArtifact>>, StoreError> {
        self.artifacts(
            "SELECT * FROM restore_artifacts WHERE session = ? AND tenant = ? ORDER BY sequence",
            params![session.to_string(), tenant.to_string()],
        )
    }

    async fn tally_artifacts(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
    ) -> Result<ArtifactTally, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT count(*) AS total, coalesce(sum(status = 'succeeded'), 0) AS completed, coalesce(sum(status IN ('scheduling', 'scheduled', 'inProgress')), 0) AS in_progress,
                        coalesce(sum(status = 'failed'), 0) AS failed, coalesce(sum(status = 'succeeded' AND error IS NOT NULL), 0) AS with_item_failures
                 FROM restore_artifacts WHERE session = ? AND tenant = ?",
            )
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![session.to_string(), tenant.to_string()]).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or_else(|| nonsense("tally", "no row"))?;
        let row = Columns(row);
        Ok(ArtifactTally {
            total: row.count("total")?,
            completed: row.count("completed")?,
            in_progress: row.count("in_progress")?,
            failed: row.count("failed")?,
            with_item_failures: row.count("with_item_failures")?,
        })
    }

    async fn unit_is_being_restored(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        except: RestoreSessionId,
    ) -> Result<bool, StoreError> {
        self.sql()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM restore_artifacts WHERE unit = ? AND status IN ('scheduling', 'scheduled', 'inProgress') AND tenant = ? AND session <> ?)")
            .and_then(|mut prepared| prepared.query_row(params![unit.to_string(), tenant.to_string(), except.to_string()], |row| row.get(0)))
            .map_err(failed)
    }

    async fn put_failures(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
        failures: &[ItemFailure],
    ) -> Result<(), StoreError> {
        self.artifact_by_id(tenant, artifact).await?.ok_or(StoreError::Stale)?;
        self.sql()
            .execute(
                "DELETE FROM restore_artifact_failures WHERE artifact = ?",
                [artifact.to_string()],
            )
            .map_err(failed)?;
        for (sequence, failure) in (0_i64..).zip(failures) {
            self.change_one(
                "INSERT INTO restore_artifact_failures VALUES (:artifact, :sequence, :path, :code, :message)",
                named_params! { ":artifact": artifact.to_string(), ":sequence": sequence, ":path": failure.path, ":code": failure.code, ":message": failure.message },
            )?;
        }
        Ok(())
    }

    async fn failures(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
    ) -> Result<Vec<ItemFailure>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT f.* FROM restore_artifact_failures f JOIN restore_artifacts a ON a.id = f.artifact WHERE f.artifact = ? AND a.tenant = ? ORDER BY f.sequence")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![artifact.to_string(), tenant.to_string()]).map_err(failed)?;
        let mut failures = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns(row);
            failures.push(ItemFailure {
                path: row.text("path")?,
                code: row.text("code")?,
                message: row.text("message")?,
            });
        }
        Ok(failures)
    }
}

impl SqliteTx {
    fn artifacts(
        &self,
        statement: &str,
        values: impl Params,
    ) -> Result<Vec<Versioned<RestoreArtifact>>, StoreError> {
        let mut prepared = self.sql().prepare_cached(statement).map_err(failed)?;
        let mut rows = prepared.query(values).map_err(failed)?;
        let mut artifacts = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns(row);
            artifacts
                .push(Versioned { value: artifact_of(&row)?, version: row.integer("version")? });
        }
        Ok(artifacts)
    }
}

fn artifact_of(row: &Columns<'_>) -> Result<RestoreArtifact, StoreError> {
    let started = row.optional_time("started_at")?;
    let needed = |time: Option<_>, name| time.ok_or_else(|| nonsense(name, "missing"));
    let ended = row.optional_time("ended_at")?;
    let state = match row.text("status")?.as_str() {
        "added" => ArtifactState::Added,
        "scheduling" => ArtifactState::Scheduling,
        "scheduled" => ArtifactState::Scheduled,
        "inProgress" => ArtifactState::InProgress {
            started_at: needed(started, "restore_artifacts.started_at")?,
        },
        "succeeded" => ArtifactState::Succeeded {
            started_at: needed(started, "restore_artifacts.started_at")?,
            ended_at: needed(ended, "restore_artifacts.ended_at")?,
        },
        "failed" => ArtifactState::Failed {
            started_at: started,
            ended_at: needed(ended, "restore_artifacts.ended_at")?,
        },
        other => return Err(nonsense("restore_artifacts.status", other)),
    };
    let destination = row.text("destination")?;
    let restored = match row.optional_text("restored_id")? {
        Some(id) => Some(RestoredSite {
            id,
            name: row.text("restored_name")?,
            web_url: row.text("restored_web_url")?,
        }),
        None => None,
    };
    Ok(RestoreArtifact {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        session: row.id("session")?,
        restore_point: row.id("restore_point")?,
        destination: DestinationType::from_name(&destination)
            .ok_or_else(|| nonsense("restore_artifacts.destination", &destination))?,
        state,
        error: row.public_error("error")?,
        restored,
        created_at: row.time("created_at")?,
    })
}
