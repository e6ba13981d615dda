//! [`Work::WriteDigest`](holdfast_domain::Work::WriteDigest): what a tenant's notices tell becomes a mail for each recipient.

use std::collections::BTreeMap;

use holdfast_domain::{
    ClaimedJob, JobId, Mail, MailId, MailState, Notice, Recipients, Work, limits,
};
use holdfast_store::Collection;

use crate::Shared;
use crate::digest::{self, Digest};
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
) -> Result<(), JobError> {
    let notices = shared.store.read().await?.notices(job.tenant, limits::DIGEST_NOTICES).await?;
    let now = shared.clock.now();
    let mut mails = Vec::new();
    for (recipient, digest) in digests(shared, job, &notices).await? {
        let state = match (&recipient, &shared.mailer) {
            (Recipient::Address(_), Some(_)) => MailState::Waiting { last_failure: None },
            (Recipient::Address(_), None) => MailState::Kept,
            (Recipient::Nobody(_), _) => MailState::Refused {
                at: now,
                reason: "Nobody who holds the role could be found, or has an address.".to_owned(),
            },
        };
        let (Recipient::Address(recipient) | Recipient::Nobody(recipient)) = recipient;
        mails.push(Mail {
            id: MailId::random(&*shared.entropy),
            tenant: job.tenant,
            written_at: now,
            recipient,
            subject: digest::subject(now),
            body: digest.body(now),
            state,
        });
    }
    // All in one transaction: a notice is told in exactly one digest of each recipient.
    let mut tx = shared.store.begin().await?;
    for mail in &mails {
        Collection::<Mail>::insert(&mut *tx, mail).await?;
        if let MailState::Waiting { .. } = mail.state {
            let id = JobId::random(&*shared.entropy);
            tx.enqueue(job.tenant, id, Work::SendMail { mail: mail.id }, now).await?;
        }
    }
    if let Some((last, _)) = notices.last() {
        tx.remove_notices(job.tenant, *last).await?;
    }
    if notices.len() >= limits::DIGEST_NOTICES as usize {
        let id = JobId::random(&*shared.entropy);
        tx.enqueue(job.tenant, id, Work::WriteDigest, now).await?;
    }
    tx.remove_mails(job.tenant, now.minus(limits::MAIL_KEPT)).await?;
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Recipient {
    Address(String),
    /// The roles that nobody answers for.
    Nobody(String),
}

/// Who is told, and what: each recipient of what was meant for them when it happened.
async fn digests<'a>(
    shared: &Shared,
    job: &ClaimedJob,
    notices: &'a [(i64, Notice)],
) -> Result<BTreeMap<Recipient, Digest<'a>>, JobError> {
    let mut known: Vec<(&Recipients, Found)> = Vec::new();
    let mut digests: BTreeMap<Recipient, Digest<'a>> = BTreeMap::new();
    for (_, notice) in notices {
        let place = match known.iter().position(|(known, _)| **known == notice.recipients) {
            Some(place) => place,
            None => {
                known.push((&notice.recipients, find(shared, job, &notice.recipients).await?));
                known.len() - 1
            }
        };
        let found = &known[place].1;
        let mut recipients: Vec<Recipient> =
            found.addresses.iter().cloned().map(Recipient::Address).collect();
        if recipients.is_empty() {
            recipients.push(Recipient::Nobody(notice.recipients.roles.name()));
        }
        for recipient in recipients {
            let digest = digests.entry(recipient).or_default();
            digest.notices.push(notice);
            digest.left_out = digest.left_out.max(found.left_out);
            digest.directory_refused |= found.directory_refused;
        }
    }
    Ok(digests)
}

/// Whom a setting means.
struct Found {
    /// At most [`limits::NOTIFICATION_RECIPIENTS`], each once, in lower case.
    addresses: Vec<String>,
    left_out: usize,
    /// The service does not let us ask who holds the roles.
    directory_refused: bool,
}

/// Those named one by one go first: they stay when there are too many.
async fn find(
    shared: &Shared,
    job: &ClaimedJob,
    recipients: &Recipients,
) -> Result<Found, JobError> {
    let mut all = recipients.named().to_vec();
    let mut directory_refused = false;
    for role in recipients.roles.directory_roles() {
        match holders(shared, job, role).await {
            Ok(holders) => all.extend(holders),
            // The others must not wait for a permission that nobody gives.
            Err(JobError::GiveUp { error }) => {
                tracing::warn!(code = error.code, "the directory does not say who holds a role");
                directory_refused = true;
            }
            Err(error) => return Err(error),
        }
    }
    let mut addresses: Vec<String> = Vec::new();
    for address in all {
        let address = address.to_lowercase();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let left_out = addresses.len().saturating_sub(limits::NOTIFICATION_RECIPIENTS);
    addresses.truncate(limits::NOTIFICATION_RECIPIENTS);
    Ok(Found { addresses, left_out, directory_refused })
}

async fn holders(shared: &Shared, job: &ClaimedJob, role: &str) -> Result<Vec<String>, JobError> {
    let people = shared.connector(job.tenant).await?.role_holders(role).await?;
    Ok(people.into_iter().filter_map(|person| person.mail).collect())
}
