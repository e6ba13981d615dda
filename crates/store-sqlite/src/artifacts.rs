//! Rows of `restore_artifacts` and `restore_artifact_failures`.

use async_trait::async_trait;
use holdfast_domain::{
    ArtifactId, ArtifactPart, ArtifactState, ArtifactTally, BrowseSessionId, DestinationType,
    RestoreArtifact, RestoreSessionId, RestoredItem, RestoredSite, SearchResponseId, TenantId,
    UnitId,
};
use holdfast_store::{Artifacts, ItemFailure, StoreError, Versioned};
use rusqlite::types::Value as SqlValue;
use rusqlite::{named_params, params};

use crate::collection::{Stored, Written};
use crate::rows::{Columns, nonsense, optional_json, optional_text, text, time};
use crate::{SqliteTx, failed};

#[async_trait]
impl Artifacts for SqliteTx {
    async fn artifact(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
        id: ArtifactId,
    ) -> Result<Option<Versioned<RestoreArtifact>>, StoreError> {
        Ok(self
            .select(
                "SELECT * FROM restore_artifacts WHERE id = ? AND session = ? AND tenant = ?",
                params![id.to_string(), session.to_string(), tenant.to_string()],
            )?
            .pop())
    }

    async fn artifacts_of_session(
        &mut self,
        tenant: TenantId,
        session: RestoreSessionId,
    ) -> Result<Vec<Versioned<RestoreArtifact>>, StoreError> {
        self.select(
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
        let row = Columns::of(row);
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

    async fn take_new_site(
        &mut self,
        tenant: TenantId,
        artifact: ArtifactId,
        address: &str,
    ) -> Result<bool, StoreError> {
        let taken = self
            .sql()
            .prepare_cached(
                "INSERT INTO new_sites VALUES (:tenant, :address, :artifact)
                 ON CONFLICT (tenant, address) DO UPDATE SET artifact = excluded.artifact
                 WHERE NOT EXISTS (SELECT 1 FROM restore_artifacts a WHERE a.id = new_sites.artifact AND a.id <> excluded.artifact AND a.status IN ('scheduling', 'scheduled', 'inProgress'))",
            )
            .and_then(|mut prepared| {
                prepared.execute(named_params! {
                    ":tenant": tenant.to_string(),
                    ":address": address.to_lowercase(),
                    ":artifact": artifact.to_string(),
                })
            })
            .map_err(failed)?;
        Ok(taken > 0)
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
            let row = Columns::of(row);
            failures.push(ItemFailure {
                path: row.text("path")?,
                code: row.text("code")?,
                message: row.text("message")?,
            });
        }
        Ok(failures)
    }
}

/// What the columns of an artifact's part hold.
#[derive(Default)]
struct PartColumns<'a> {
    name: &'static str,
    browse_session: Option<&'a BrowseSessionId>,
    item_key: Option<&'a String>,
    web_url: Option<&'a String>,
    restored: Option<&'a RestoredItem>,
    search_response: Option<SearchResponseId>,
}

impl<'a> PartColumns<'a> {
    fn of(part: &'a ArtifactPart) -> Self {
        match part {
            ArtifactPart::Whole => Self { name: "whole", ..Self::default() },
            ArtifactPart::Item { browse_session, item_key, web_url, restored } => Self {
                name: "item",
                browse_session: Some(browse_session),
                item_key: Some(item_key),
                web_url: Some(web_url),
                restored: restored.as_ref(),
                search_response: None,
            },
            ArtifactPart::Found { response } => {
                Self { name: "found", search_response: Some(*response), ..Self::default() }
            }
        }
    }
}

fn part_of(row: &Columns<'_>) -> Result<ArtifactPart, StoreError> {
    match row.text("part")?.as_str() {
        "whole" => Ok(ArtifactPart::Whole),
        "item" => Ok(ArtifactPart::Item {
            browse_session: row.id("browse_session")?,
            item_key: row.text("item_key")?,
            web_url: row.text("item_web_url")?,
            restored: match row.optional_text("restored_item_key")? {
                None => None,
                Some(key) => Some(RestoredItem {
                    key,
                    path: row.text("restored_item_path")?,
                    web_url: row.text("restored_item_web_url")?,
                }),
            },
        }),
        "found" => Ok(ArtifactPart::Found { response: row.id("search_response")? }),
        other => Err(nonsense("restore_artifacts.part", other)),
    }
}

impl Stored for RestoreArtifact {
    const TABLE: &'static str = "restore_artifacts";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
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
            part: part_of(row)?,
            destination: DestinationType::from_name(&destination)
                .ok_or_else(|| nonsense("restore_artifacts.destination", &destination))?,
            state,
            error: row.optional_json("error")?,
            restored,
            created_at: row.time("created_at")?,
        })
    }
}

impl Written for RestoreArtifact {
    fn key(&self) -> (&ArtifactId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let restored = self.restored.as_ref();
        let part = PartColumns::of(&self.part);
        vec![
            ("session", text(self.session)),
            ("unit", text(self.restore_point.unit())),
            ("restore_point", text(self.restore_point)),
            ("destination", text(self.destination.name())),
            ("status", text(self.state.status())),
            ("started_at", time(self.state.started_at())),
            ("ended_at", time(self.state.ended_at())),
            ("error", optional_json(self.error.as_ref())),
            ("restored_id", optional_text(restored.map(|site| &site.id))),
            ("restored_name", optional_text(restored.map(|site| &site.name))),
            ("restored_web_url", optional_text(restored.map(|site| &site.web_url))),
            ("part", text(part.name)),
            ("browse_session", optional_text(part.browse_session)),
            ("item_key", optional_text(part.item_key)),
            ("item_web_url", optional_text(part.web_url)),
            ("restored_item_key", optional_text(part.restored.map(|item| &item.key))),
            ("restored_item_path", optional_text(part.restored.map(|item| &item.path))),
            ("restored_item_web_url", optional_text(part.restored.map(|item| &item.web_url))),
            ("search_response", optional_text(part.search_response)),
            ("created_at", self.created_at.unix_micros().into()),
        ]
    }
}
