//! Notices and mails.

use std::time::Duration;

use holdfast_domain::{
    Entropy, Mail, MailId, MailState, Notice, NoticeKind, RecipientRoles, Recipients,
    SeededEntropy, TenantId,
};

use super::{at, begin, tenant};
use crate::query::ListQuery;
use crate::{Collection, Listed, Store, StoreError, find};

fn notice(tenant: TenantId, seconds: i64) -> Notice {
    let roles = RecipientRoles { custom: true, global_admins: true, ..RecipientRoles::default() };
    Notice {
        tenant,
        at: at(seconds),
        kind: NoticeKind::Harmful,
        recipients: Recipients { roles, custom: vec!["a@example.com".to_owned()] },
        what: "backupPolicyPaused".to_owned(),
        about: "policyName: a\nb".to_owned(),
        by: "somebody".to_owned(),
    }
}

pub async fn notices_wait_for_their_tenants_digest(store: &dyn Store) {
    let mut tx = begin(store).await;
    for seconds in [3, 1, 2] {
        tx.add_notice(&notice(tenant(1), seconds)).await.expect("adds");
        tx.add_notice(&notice(tenant(2), seconds)).await.expect("adds");
    }
    let first = tx.notices(tenant(1), 2).await.expect("reads");
    let expected = [notice(tenant(1), 3), notice(tenant(1), 1)];
    assert!(first.iter().map(|(_, notice)| notice).eq(&expected), "as they were added: {first:?}");
    tx.remove_notices(tenant(1), first[1].0).await.expect("removes");
    let left = tx.notices(tenant(1), 10).await.expect("reads");
    assert_eq!(left.iter().map(|(_, notice)| notice.at).collect::<Vec<_>>(), [at(2)]);
    assert_eq!(tx.notices(tenant(2), 10).await.expect("reads").len(), 3, "another's stay");
}

fn mail(entropy: &dyn Entropy, seconds: i64, state: MailState) -> Mail {
    Mail {
        id: MailId::random(entropy),
        tenant: tenant(1),
        written_at: at(seconds),
        recipient: "a@example.com".to_owned(),
        subject: "A subject".to_owned(),
        body: "A body\n".to_owned(),
        state,
    }
}

pub async fn mails_keep_their_states_until_they_are_forgotten(store: &dyn Store) {
    let entropy = SeededEntropy::new(1);
    let reason = "No.".to_owned();
    let states = [
        MailState::Kept,
        MailState::Waiting { last_failure: None },
        MailState::Waiting { last_failure: Some(reason.clone()) },
        MailState::Sent { at: at(7) },
        MailState::Refused { at: at(8), reason },
    ];
    let mut tx = begin(store).await;
    let mut written = mail(&entropy, 0, states[0].clone());
    Collection::<Mail>::insert(&mut *tx, &written).await.expect("inserts");
    let row = find::<Mail>(&mut *tx, tenant(1), &written.id).await.expect("finds");
    let first = row.expect("it is there").version;
    for state in states {
        let row = find::<Mail>(&mut *tx, tenant(1), &written.id).await.expect("finds");
        written.state = state;
        let version = row.expect("it is there").version;
        Collection::<Mail>::put(&mut *tx, &written, version).await.expect("puts");
        let row = find::<Mail>(&mut *tx, tenant(1), &written.id).await.expect("finds");
        assert_eq!(row.map(|row| row.value).as_ref(), Some(&written));
    }
    let stale = Collection::<Mail>::put(&mut *tx, &written, first).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(find::<Mail>(&mut *tx, tenant(2), &written.id).await.expect("finds"), None);

    let newer = mail(&entropy, 10, MailState::Kept);
    Collection::<Mail>::insert(&mut *tx, &newer).await.expect("inserts");
    tx.remove_mails(tenant(2), at(100)).await.expect("removes");
    let all = ListQuery::first(10, None);
    let page = Listed::<Mail>::list(&mut *tx, tenant(1), &all).await.expect("lists");
    let ids: Vec<MailId> = page.rows.iter().map(|mail| mail.id).collect();
    assert_eq!(ids, [newer.id, written.id], "the newest first");
    tx.remove_mails(tenant(1), at(0).plus(Duration::from_secs(10))).await.expect("removes");
    let page = Listed::<Mail>::list(&mut *tx, tenant(1), &all).await.expect("lists");
    let ids: Vec<MailId> = page.rows.iter().map(|mail| mail.id).collect();
    assert_eq!(ids, [newer.id]);
}
