//! Rows of `jobs`. Every write of a worker names the token of its lease; a token that is not the newest changes no row.

use async_trait::async_trait;
use holdfast_domain::{ClaimedJob, JobId, Lease, TenantId, Timestamp, Work};
use holdfast_store::{Jobs, StoreError};
use rusqlite::{OptionalExtension, named_params, params};

use crate::rows::{Columns, integer_of, nonsense};
use crate::{SqliteTx, failed};

#[async_trait]
impl Jobs for SqliteTx {
    async fn enqueue(
        &mut self,
        tenant: TenantId,
        id: JobId,
        work: Work,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        let (session, artifact) = match work {
            Work::ActivateRestoreSession { session } => (Some(session.to_string()), None),
            Work::RestoreArtifact { artifact, .. } => (None, Some(artifact.to_string())),
            _ => (None, None),
        };
        let subject = match work {
            Work::ApplyRule { rule } => Some(rule.to_string()),
            Work::RunBulkJob { job } => Some(job.to_string()),
            Work::RunBulkRestore { request } => Some(request.to_string()),
            Work::ProtectWorkload { policy } | Work::ApplyRetention { policy } => {
                Some(policy.to_string())
            }
            Work::PrepareBrowseSession { session } => Some(session.to_string()),
            Work::SendMail { mail } => Some(mail.to_string()),
            // One for each tenant.
            Work::WriteDigest => Some(tenant.to_string()),
            _ => None,
        };
        self.sql()
            .prepare_cached(
                "INSERT INTO jobs (id, tenant, work, unit, session, artifact, subject, not_before, attempts, lease_token)
                 SELECT :id, :tenant, :work, :unit, :session, :artifact, :subject, :not_before, 0, 0
                 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE work = :work AND unit IS :unit AND session IS :session AND artifact IS :artifact AND subject IS :subject AND not_before <= :not_before AND lease_token = 0)",
            )
            .and_then(|mut prepared| {
                prepared.execute(named_params! {
                    ":id": id.to_string(),
                    ":tenant": tenant.to_string(),
                    ":work": work.name(),
                    ":unit": work.unit().map(|unit| unit.to_string()),
                    ":session": session,
                    ":artifact": artifact,
                    ":subject": subject,
                    ":not_before": not_before.unix_micros(),
                })
            })
            .map_err(failed)?;
        Ok(())
    }

    async fn claim(
        &mut self,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        let found = {
            let mut prepared = self
                .sql()
                .prepare_cached(
                    "SELECT * FROM jobs j WHERE not_before <= :now AND (lease_until IS NULL OR lease_until <= :now)
                       AND NOT (unit IS NOT NULL AND EXISTS (SELECT 1 FROM jobs o WHERE o.unit = j.unit AND o.id <> j.id AND o.lease_until > :now))
                       AND NOT (work = 'backUpUnit' AND EXISTS (SELECT 1 FROM jobs o WHERE o.unit = j.unit AND o.work = 'restoreArtifact'))
                     ORDER BY not_before, sequence LIMIT 1",
                )
                .map_err(failed)?;
            let mut rows =
                prepared.query(named_params! { ":now": now.unix_micros() }).map_err(failed)?;
            match rows.next().map_err(failed)? {
                Some(row) => claimed_of(&Columns::of(row), lease_until)?,
                None => return Ok(None),
            }
        };
        let token: i64 = self
            .sql()
            .query_row("UPDATE lease_tokens SET last = last + 1 RETURNING last", [], |row| {
                row.get(0)
            })
            .map_err(failed)?;
        self.change_one(
            "UPDATE jobs SET attempts = attempts + 1, lease_token = :token, lease_until = :until WHERE id = :id",
            named_params! { ":id": found.id.to_string(), ":token": token, ":until": lease_until.unix_micros() },
        )?;
        let lease = Lease {
            token: u64::try_from(token).map_err(|error| nonsense("lease_tokens.last", error))?,
            ..found.lease
        };
        Ok(Some(ClaimedJob { lease, ..found }))
    }

    async fn renew(&mut self, lease: Lease, until: Timestamp) -> Result<Lease, StoreError> {
        self.change_lease(
            "UPDATE jobs SET lease_until = :value WHERE id = :id AND lease_token = :token",
            lease,
            &until.unix_micros(),
        )?;
        Ok(Lease { expires_at: until, ..lease })
    }

    async fn guard(&mut self, lease: Lease) -> Result<(), StoreError> {
        self.guard_lease(lease)
    }

    async fn put_progress(&mut self, lease: Lease, progress: &str) -> Result<(), StoreError> {
        self.change_lease(
            "UPDATE jobs SET progress = :value WHERE id = :id AND lease_token = :token",
            lease,
            &progress,
        )
    }

    async fn finish(&mut self, lease: Lease) -> Result<(), StoreError> {
        let gone = self
            .sql()
            .execute(
                "DELETE FROM jobs WHERE id = ? AND lease_token = ?",
                params![lease.job.to_string(), integer_of(lease.token)],
            )
            .map_err(failed)?;
        if gone == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }

    async fn release(
        &mut self,
        lease: Lease,
        not_before: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.change_lease(
            "UPDATE jobs SET last_failure = :value WHERE id = :id AND lease_token = :token",
            lease,
            &reason,
        )?;
        self.change_lease("UPDATE jobs SET not_before = :value, lease_until = NULL WHERE id = :id AND lease_token = :token", lease, &not_before.unix_micros())
    }

    async fn end_leases(&mut self) -> Result<u64, StoreError> {
        let ended = self
            .sql()
            .execute("UPDATE jobs SET lease_until = NULL WHERE lease_until IS NOT NULL", [])
            .map_err(failed)?;
        Ok(ended as u64)
    }

    async fn next_job_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self
            .sql()
            .query_row(
                "SELECT min(max(not_before, coalesce(lease_until, not_before))) FROM jobs",
                [],
                |row| row.get(0),
            )
            .map_err(failed)?;
        Ok(micros.and_then(Timestamp::from_unix_micros))
    }
}

impl SqliteTx {
    pub(crate) fn guard_lease(&self, lease: Lease) -> Result<(), StoreError> {
        let newest: Option<i64> = self
            .sql()
            .prepare_cached("SELECT lease_token FROM jobs WHERE id = ?")
            .and_then(|mut prepared| {
                prepared.query_row([lease.job.to_string()], |row| row.get(0)).optional()
            })
            .map_err(failed)?;
        if newest == Some(integer_of(lease.token)) { Ok(()) } else { Err(StoreError::LeaseLost) }
    }

    fn change_lease(
        &self,
        statement: &str,
        lease: Lease,
        value: &dyn rusqlite::ToSql,
    ) -> Result<(), StoreError> {
        let values = named_params! { ":id": lease.job.to_string(), ":token": integer_of(lease.token), ":value": value };
        self.change_one(statement, values).map_err(|error| {
            if matches!(error, StoreError::Stale) { StoreError::LeaseLost } else { error }
        })
    }
}

fn claimed_of(row: &Columns<'_>, lease_until: Timestamp) -> Result<ClaimedJob, StoreError> {
    let unit = || row.id("unit");
    let work = match row.text("work")?.as_str() {
        "protectUnit" => Work::ProtectUnit { unit: unit()? },
        "backUpUnit" => Work::BackUpUnit { unit: unit()? },
        "unprotectUnit" => Work::UnprotectUnit { unit: unit()? },
        "removeUnit" => Work::RemoveUnit { unit: unit()? },
        "activateRestoreSession" => Work::ActivateRestoreSession { session: row.id("session")? },
        "offboardUnit" => Work::OffboardUnit { unit: unit()? },
        "cancelOffboard" => Work::CancelOffboard { unit: unit()? },
        "applyRule" => Work::ApplyRule { rule: row.id("subject")? },
        "runBulkJob" => Work::RunBulkJob { job: row.id("subject")? },
        "runBulkRestore" => Work::RunBulkRestore { request: row.id("subject")? },
        "protectWorkload" => Work::ProtectWorkload { policy: row.id("subject")? },
        "applyRetention" => Work::ApplyRetention { policy: row.id("subject")? },
        "prepareBrowseSession" => Work::PrepareBrowseSession { session: row.id("subject")? },
        "writeDigest" => Work::WriteDigest,
        "sendMail" => Work::SendMail { mail: row.id("subject")? },
        "restoreArtifact" => Work::RestoreArtifact { artifact: row.id("artifact")?, unit: unit()? },
        other => return Err(nonsense("jobs.work", other)),
    };
    let id: JobId = row.id("id")?;
    Ok(ClaimedJob {
        id,
        tenant: row.id("tenant")?,
        work,
        attempt: u32::try_from(row.integer("attempts")? + 1)
            .map_err(|error| nonsense("jobs.attempts", error))?,
        progress: row.optional_text("progress")?,
        lease: Lease { job: id, token: 0, expires_at: lease_until },
    })
}
