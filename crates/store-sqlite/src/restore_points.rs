//! Rows of `restore_points` and `restore_point_gaps`. They are inserted by `catalogue.rs`, with the catalogue that belongs to them.

use async_trait::async_trait;
use holdfast_domain::{Gap, RestorePoint, RestorePointId, Retention, TenantId, Timestamp, UnitId};
use holdfast_store::{RestorePoints, StoreError, Version};
use rusqlite::{named_params, params};

use crate::collection::Stored;
use crate::rows::{Columns, integer_of};
use crate::{SqliteTx, failed};

#[async_trait]
impl RestorePoints for SqliteTx {
    async fn latest_restore_point(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<Option<RestorePoint>, StoreError> {
        Ok(self.select::<RestorePoint>("SELECT * FROM restore_points WHERE unit = ? AND tenant = ? ORDER BY protection_date_time DESC LIMIT 1", params![unit.to_string(), tenant.to_string()])?.pop().map(|row| row.value))
    }

    async fn set_expiry(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        retention: Retention,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let window = i64::try_from(retention.window.duration().as_micros()).unwrap_or(i64::MAX);
        let changed = self
            .sql()
            .prepare_cached(
                "UPDATE restore_points SET expires_at = protection_date_time + ?1 WHERE unit = ?2 AND tenant = ?3 AND expires_at > ?4 AND expires_at <> protection_date_time + ?1",
            )
            .and_then(|mut prepared| {
                prepared.execute(params![
                    window,
                    unit.to_string(),
                    tenant.to_string(),
                    now.unix_micros()
                ])
            })
            .map_err(failed)?;
        Ok(changed as u64)
    }

    async fn gaps(&mut self, tenant: TenantId, id: RestorePointId) -> Result<Vec<Gap>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT g.* FROM restore_point_gaps g JOIN restore_points p ON p.id = g.point WHERE g.point = ? AND p.tenant = ? ORDER BY g.sequence")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![id.to_string(), tenant.to_string()]).map_err(failed)?;
        let mut gaps = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            gaps.push(Gap {
                drive: row.text("drive")?,
                item: row.text("item")?,
                path: row.text("path")?,
                reason: row.text("reason")?,
                since: row.time("since")?,
                stale: row.flag("stale")?,
            });
        }
        Ok(gaps)
    }
}

impl SqliteTx {
    pub(crate) fn insert_point(
        &self,
        point: &RestorePoint,
        gaps: &[Gap],
    ) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO restore_points VALUES (:id, :tenant, :unit, :at, :started, :expires, :snapshot, :items, :size, :gaps,
               coalesce((SELECT workload FROM units WHERE id = :unit), ''))",
            named_params! {
                ":id": point.id.to_string(),
                ":tenant": point.tenant.to_string(),
                ":unit": point.unit.to_string(),
                ":at": point.protection_date_time.unix_micros(),
                ":started": point.started_at.unix_micros(),
                ":expires": point.expires_at.unix_micros(),
                ":snapshot": point.snapshot,
                ":items": integer_of(point.items),
                ":size": integer_of(point.size_bytes),
                ":gaps": integer_of(point.gaps),
            },
        )?;
        for (sequence, gap) in (0_i64..).zip(gaps) {
            self.change_one(
                "INSERT INTO restore_point_gaps VALUES (:point, :sequence, :drive, :item, :path, :reason, :since, :stale)",
                named_params! {
                    ":point": point.id.to_string(),
                    ":sequence": sequence,
                    ":drive": gap.drive,
                    ":item": gap.item,
                    ":path": gap.path,
                    ":reason": gap.reason,
                    ":since": gap.since.unix_micros(),
                    ":stale": gap.stale,
                },
            )?;
        }
        Ok(())
    }
}

impl Stored for RestorePoint {
    const TABLE: &'static str = "restore_points";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(RestorePoint {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            unit: row.id("unit")?,
            protection_date_time: row.time("protection_date_time")?,
            started_at: row.time("started_at")?,
            expires_at: row.time("expires_at")?,
            snapshot: row.text("snapshot")?,
            items: row.count("items")?,
            size_bytes: row.count("size_bytes")?,
            gaps: row.count("gaps")?,
        })
    }

    /// Points never change.
    fn version_of(_row: &Columns<'_>) -> Result<Version, StoreError> {
        Ok(1)
    }
}
