//! Rows of `notifications_settings`, `notices`, `mails` and `audit`.

use async_trait::async_trait;
use holdfast_domain::{
    AuditRecord, Mail, MailId, MailState, Notice, NoticeKind, NotificationsSetting, RecipientRoles,
    Recipients, TenantId, Timestamp,
};
use holdfast_store::{Notifications, StoreError};
use rusqlite::types::Value as SqlValue;
use rusqlite::{named_params, params};

use crate::collection::{Stored, Written};
use crate::rows::{Columns, json, nonsense, optional_text, text, time};
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
            recipients: recipients_of(&row)?,
            last_modified_by: row.json("last_modified_by")?,
            last_modified_at: row.time("last_modified_at")?,
        }))
    }

    async fn put_notifications_setting(
        &mut self,
        setting: &NotificationsSetting,
    ) -> Result<(), StoreError> {
        self.change_one(
            "INSERT OR REPLACE INTO notifications_settings VALUES (:tenant, :enabled, :routine, :roles, :recipients, :by, :at)",
            named_params! {
                ":tenant": setting.tenant.to_string(),
                ":enabled": setting.is_enabled,
                ":routine": setting.tells_routine,
                ":roles": setting.recipients.roles.name(),
                ":recipients": json(&setting.recipients.custom),
                ":by": json(&setting.last_modified_by),
                ":at": setting.last_modified_at.unix_micros(),
            },
        )
    }

    async fn add_notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO notices (tenant, at, kind, recipient_roles, custom_recipients, what, about, performed_by) VALUES (:tenant, :at, :kind, :roles, :recipients, :what, :about, :by)",
            named_params! {
                ":tenant": notice.tenant.to_string(),
                ":at": notice.at.unix_micros(),
                ":kind": notice.kind.name(),
                ":roles": notice.recipients.roles.name(),
                ":recipients": json(&notice.recipients.custom),
                ":what": notice.what,
                ":about": notice.about,
                ":by": notice.by,
            },
        )
    }

    async fn notices(
        &mut self,
        tenant: TenantId,
        limit: u32,
    ) -> Result<Vec<(i64, Notice)>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM notices WHERE tenant = ? ORDER BY sequence LIMIT ?")
            .map_err(failed)?;
        let mut rows = prepared.query(params![tenant.to_string(), limit]).map_err(failed)?;
        let mut notices = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            let notice = Notice {
                tenant,
                at: row.time("at")?,
                kind: row.member("kind", NoticeKind::from_name)?,
                recipients: recipients_of(&row)?,
                what: row.text("what")?,
                about: row.text("about")?,
                by: row.text("performed_by")?,
            };
            notices.push((row.integer("sequence")?, notice));
        }
        Ok(notices)
    }

    async fn remove_notices(&mut self, tenant: TenantId, place: i64) -> Result<(), StoreError> {
        self.sql()
            .execute(
                "DELETE FROM notices WHERE tenant = ? AND sequence <= ?",
                params![tenant.to_string(), place],
            )
            .map_err(failed)?;
        Ok(())
    }

    async fn remove_mails(
        &mut self,
        tenant: TenantId,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.sql()
            .execute(
                "DELETE FROM mails WHERE tenant = ? AND written_at < ?",
                params![tenant.to_string(), before.unix_micros()],
            )
            .map_err(failed)?;
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

fn recipients_of(row: &Columns<'_>) -> Result<Recipients, StoreError> {
    Ok(Recipients {
        roles: row.member("recipient_roles", RecipientRoles::from_name)?,
        custom: row.json("custom_recipients")?,
    })
}

impl Stored for Mail {
    const TABLE: &'static str = "mails";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let (ended_at, reason) = (row.optional_time("ended_at")?, row.optional_text("reason")?);
        let state = match (row.text("state")?.as_str(), ended_at, reason) {
            ("kept", _, _) => MailState::Kept,
            ("waiting", _, last_failure) => MailState::Waiting { last_failure },
            ("sent", Some(at), _) => MailState::Sent { at },
            ("refused", Some(at), Some(reason)) => MailState::Refused { at, reason },
            (other, _, _) => return Err(nonsense("mails.state", other)),
        };
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            written_at: row.time("written_at")?,
            recipient: row.text("recipient")?,
            subject: row.text("subject")?,
            body: row.text("body")?,
            state,
        })
    }
}

impl Written for Mail {
    fn key(&self) -> (&MailId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        vec![
            ("written_at", self.written_at.unix_micros().into()),
            ("recipient", text(&self.recipient)),
            ("subject", text(&self.subject)),
            ("body", text(&self.body)),
            ("state", text(self.state.name())),
            ("ended_at", time(self.state.ended_at())),
            ("reason", optional_text(self.state.reason())),
        ]
    }
}
