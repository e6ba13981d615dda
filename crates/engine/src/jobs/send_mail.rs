//! [`Work::SendMail`](holdfast_domain::Work::SendMail): a mail of the outbox is handed to the mail server, at least once.

use holdfast_domain::{ClaimedJob, Mail, MailId, MailState, limits};
use holdfast_store::{Collection, find};

use crate::Shared;
use crate::digest::one_line;
use crate::error::JobError;
use crate::lease::LeaseKeeper;
use crate::mailer::MailError;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: MailId,
) -> Result<(), JobError> {
    let found = find::<Mail>(&mut *shared.store.read().await?, job.tenant, &id).await?;
    let waiting = found.filter(|found| matches!(found.value.state, MailState::Waiting { .. }));
    let Some(mut row) = waiting else {
        // Forgotten, or done by an attempt whose lease ran out.
        let mut tx = shared.store.begin().await?;
        tx.finish(keeper.lease()?).await?;
        return Ok(tx.commit().await?);
    };
    let sent = match &shared.mailer {
        Some(mailer) => mailer.send(&row.value).await,
        None => Err(MailError::Later("No mail server is configured any more.".to_owned())),
    };
    let now = shared.clock.now();
    // A mail server may say anything.
    let sent = sent.map_err(|error| match error {
        MailError::Later(reason) => MailError::Later(one_line(&reason)),
        MailError::Refused(reason) => MailError::Refused(one_line(&reason)),
    });
    let is_too_late = now.since(row.value.written_at) >= limits::MAIL_PATIENCE;
    row.value.state = match sent {
        Ok(()) => MailState::Sent { at: now },
        Err(MailError::Refused(reason)) => MailState::Refused { at: now, reason },
        Err(MailError::Later(reason)) if is_too_late => {
            let reason = format!("It was tried for too long. The last time: {reason}");
            MailState::Refused { at: now, reason }
        }
        Err(MailError::Later(reason)) => MailState::Waiting { last_failure: Some(reason) },
    };
    let mut tx = shared.store.begin().await?;
    Collection::<Mail>::put(&mut *tx, &row.value, row.version).await?;
    if let MailState::Waiting { .. } = row.value.state {
        tx.guard(keeper.lease()?).await?;
        tx.commit().await?;
        return Err(JobError::retry("no mail server took it; the outbox says why"));
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
