//! Rows of `notifications_settings`, `outbox` and `audit`.

use async_trait::async_trait;
use holdfast_domain::{AuditRecord, Mail, NotificationsSetting, TenantId};
use holdfast_store::{Notifications, StoreError};
use rusqlite::{named_params, params};

use crate::rows::{Columns, json};
use crate::{SqliteTx, failed};

#[async_trait]
impl Notifications for SqliteTx {
    async fn notifications_setting(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<NotificationsSetting>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM notifications_settings WHERE tenant = ?")
            .map_err(failed)?;
        let mut rows = prepared.query([tenant.to_string()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let row = Columns::of(row);
        Ok(Some(NotificationsSetting {
            tenant: row.id("tenant")?,
            is_enabled: row.flag("is_enabled")?,
            tells_routine: row.flag("tells_routine")?,
            custom_recipients: row.json("custom_recipients")?,
            last_modified_by: row.json("last_modified_by")?,
            last_modified_at: row.time("last_modified_at")?,
        }))
    }

    async fn put_notifications_setting(
        &mut self,
        setting: &NotificationsSetting,
    ) -> Result<(), StoreError> {
        self.change_one(
            "INSERT OR REPLACE INTO notifications_settings VALUES (:tenant, :enabled, :routine, :recipients, :by, :at)",
            named_params! {
                ":tenant": setting.tenant.to_string(),
                ":enabled": setting.is_enabled,
                ":routine": setting.tells_routine,
                ":recipients": json(&setting.custom_recipients),
                ":by": json(&setting.last_modified_by),
                ":at": setting.last_modified_at.unix_micros(),
            },
        )
    }

    async fn post_mail(&mut self, mail: &Mail) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO outbox (tenant, written_at, recipients, subject, body) VALUES (:tenant, :at, :recipients, :subject, :body)",
            named_params! {
                ":tenant": mail.tenant.to_string(),
                ":at": mail.written_at.unix_micros(),
                ":recipients": json(&mail.recipients),
                ":subject": mail.subject,
                ":body": mail.body,
            },
        )
    }

    async fn outbox(&mut self, limit: u32) -> Result<Vec<(i64, Mail)>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM outbox ORDER BY sequence LIMIT ?")
            .map_err(failed)?;
        let mut rows = prepared.query([limit]).map_err(failed)?;
        let mut mails = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            let mail = Mail {
                tenant: row.id("tenant")?,
                written_at: row.time("written_at")?,
                recipients: row.json("recipients")?,
                subject: row.text("subject")?,
                body: row.text("body")?,
            };
            mails.push((row.integer("sequence")?, mail));
        }
        Ok(mails)
    }

    async fn remove_mail(&mut self, place: i64) -> Result<(), StoreError> {
        self.sql().execute("DELETE FROM outbox WHERE sequence = ?", [place]).map_err(failed)?;
        Ok(())
    }

    async fn add_audit_record(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO audit (tenant, at, actor, operation, target, request) VALUES (:tenant, :at, :actor, :operation, :target, :request)",
            named_params! {
                ":tenant": record.tenant.to_string(),
                ":at": record.at.unix_micros(),
                ":actor": json(&record.actor),
                ":operation": record.operation,
                ":target": record.target,
                ":request": record.request,
            },
        )
    }

    async fn audit_records(
        &mut self,
        tenant: TenantId,
        place: i64,
        limit: u32,
    ) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT * FROM audit WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            )
            .map_err(failed)?;
        let mut rows = prepared.query(params![tenant.to_string(), place, limit]).map_err(failed)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            let record = AuditRecord {
                tenant: row.id("tenant")?,
                at: row.time("at")?,
                actor: row.json("actor")?,
                operation: row.text("operation")?,
                target: row.text("target")?,
                request: row.text("request")?,
            };
            records.push((row.integer("sequence")?, record));
        }
        Ok(records)
    }
}
