//! Digests from what is done through the API to a mail server that speaks SMTP, with the recipients of an outside tenant.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use holdfast_domain::{Clock, Timestamp, limits, next_digest_at};
use holdfast_tenant::TokenClaims;
use holdfast_testkit::{ManualClock, ReceivedMail, SmtpPeer, SmtpScript};
use serde_json::{Value, json};

use crate::node::Node;
use crate::node_tests::{Outside, ROOT, call, clock, open_node, parse};
use crate::tls;

const SETTING: &str = "/emailNotificationsSetting";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const PASSWORD: &str = "correct horse battery staple";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A node that sends to a peer, and somebody who may do everything.
struct Sending {
    outside: Outside,
    folder: tempfile::TempDir,
    peer: SmtpPeer,
    mail: String,
    clock: Arc<ManualClock>,
    node: Node,
    administrator: String,
}

impl Sending {
    /// Without TLS and login.
    async fn new() -> Self {
        let peer = SmtpPeer::start(SmtpScript::default()).await;
        let mail = format!("smtp = \"127.0.0.1:{}\"\ntls = \"none\"\n", peer.port());
        Self::over(Outside::new().await, peer, &mail).await
    }

    /// `mail` are the lines of `[mail]` but `from`; without any there is no section.
    async fn over(outside: Outside, peer: SmtpPeer, mail: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mail.password"), PASSWORD).expect("written");
        let clock = clock();
        let node = open(&outside, &folder, mail, &clock).await;
        let everything = TokenClaims {
            wids: vec![GLOBAL_ADMINISTRATOR.to_owned()],
            lifetime: 200 * DAY,
            ..TokenClaims::delegated(
                outside.facts.client_id.to_string(),
                outside.facts.user_id.clone(),
                &[
                    "BackupRestore-Control.ReadWrite.All",
                    "BackupRestore-Configuration.ReadWrite.All",
                ],
            )
        };
        let administrator = outside.tenant.mint_token(&everything);
        let mail = mail.to_owned();
        Self { outside, folder, peer, mail, clock, node, administrator }
    }

    /// Another process over the same metastore.
    async fn another_node(&self) -> Node {
        open(&self.outside, &self.folder, &self.mail, &self.clock).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        call(&self.node, &self.administrator, method, &format!("{ROOT}{path}"), body).await
    }

    /// Switches notifications on, which is told itself.
    async fn notify(&self, recipients: Value) {
        let setting = json!({
            "isEnabled": true, "additionalEvents": "restoreAndPolicyUpdates", "recipients": recipients,
        });
        self.call("PATCH", SETTING, setting).await;
    }

    async fn work(&self) {
        self.node.engine.run_until_idle().await.expect("works");
    }

    async fn digest_hour(&self) {
        self.clock.set(next_digest_at(self.clock.now()));
        self.work().await;
    }

    async fn outbox(&self) -> Vec<Value> {
        let path = "/holdfast/v1/outbox";
        let outbox = call(&self.node, &self.administrator, "GET", path, Value::Null).await;
        outbox["value"].as_array().expect("a list").clone()
    }

    /// The outbox holds one mail; its state and why it is so.
    async fn only_mail(&self) -> (String, String) {
        let outbox = self.outbox().await;
        assert_eq!(outbox.len(), 1, "{outbox:?}");
        let text = |name: &str| outbox[0][name].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }
}

async fn open(
    outside: &Outside,
    folder: &tempfile::TempDir,
    mail: &str,
    clock: &Arc<ManualClock>,
) -> Node {
    let mut text = outside.configuration(folder.path(), &outside.url());
    if !mail.is_empty() {
        text.push_str(&format!("[mail]\n{mail}from = \"Holdfast <holdfast@example.com>\"\n"));
    }
    open_node(&parse(folder.path(), &text, &[]).expect("right"), clock).await
}

fn to(addresses: &[&str]) -> Value {
    let addresses: Vec<Value> = addresses.iter().map(|email| json!({ "email": email })).collect();
    json!({ "role": "custom", "customRecipients": addresses })
}

/// The text of a mail, decoded.
fn text_of(mail: &ReceivedMail) -> String {
    let (_, body) = mail.content.split_once("\n\n").expect("a mail has a body");
    match mail.header("Content-Transfer-Encoding") {
        "7bit" => body.to_owned(),
        "quoted-printable" => {
            let mut bytes = Vec::new();
            let joined = body.replace("=\n", "");
            let mut parts = joined.split('=');
            bytes.extend(parts.next().unwrap_or_default().bytes());
            for part in parts {
                bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
                bytes.extend(part[2..].bytes());
            }
            String::from_utf8(bytes).expect("is UTF-8").replace("\r\n", "\n")
        }
        other => panic!("{other} is not expected"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_goes_to_those_named_and_those_with_the_role_once_a_day() {
    let sending = Sending::new().await;
    sending
        .notify(json!({
            "role": "custom,globalAdmins", "customRecipients": [{ "email": "Auditor@example.com" }],
        }))
        .await;
    let owner = json!({ "appOwnerTenantId": sending.outside.facts.tenant_id });
    sending.call("POST", "/enable", owner).await;
    let nasty = "Größe\r\nBcc: everybody@example.com\r\n.\r\nMAIL FROM:<x@y.z>";
    sending
        .call("POST", "/sharePointProtectionPolicies", json!({
            "displayName": nasty, "siteProtectionUnits": [{ "siteId": sending.outside.facts.site_id }],
        }))
        .await;
    sending.work().await;
    assert_eq!(sending.peer.received(), [], "not before the hour");
    assert_eq!(sending.outbox().await, [] as [Value; 0]);

    sending.digest_hour().await;
    let mut mails = sending.peer.received();
    mails.sort_by_key(|mail| mail.to.clone());
    let to: Vec<_> = mails.iter().map(|mail| mail.to.join(" ")).collect();
    assert_eq!(to, ["auditor@example.com", "hiro.tanaka@contoso.onmicrosoft.com"]);
    for mail in &mails {
        assert_eq!(mail.from, "holdfast@example.com");
        assert_eq!(mail.header("From"), "Holdfast <holdfast@example.com>");
        assert_eq!(mail.header("To"), mail.to[0]);
        let date = &sending.clock.now().to_string()[..10];
        assert_eq!(mail.header("Subject"), format!("Microsoft 365 backup: daily digest of {date}"));
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert!(!mail.content.contains("\nBcc:"));
        let text = text_of(mail);
        let (harm, routine) = text.split_once("Policies and restores:").expect("both kinds");
        assert!(harm.contains("The notification setting was changed"), "{text}");
        assert!(routine.contains("backupPolicyCreated") && routine.contains("Größe"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with("Bcc") && line != "."), "{text}");
    }
    let outbox = sending.outbox().await;
    assert!(outbox.iter().all(|mail| mail["status"] == "sent"), "{outbox:?}");
    let ids: Vec<String> = outbox
        .iter()
        .map(|mail| format!("<{}@example.com>", mail["id"].as_str().expect("an id")))
        .collect();
    assert!(mails.iter().all(|mail| ids.iter().any(|id| id == mail.header("Message-ID"))));

    sending.digest_hour().await;
    assert_eq!(sending.peer.received().len(), 2, "nothing happened since");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_20_are_written_to() {
    let sending = Sending::new().await;
    let many: Vec<String> = (0..20).map(|n| format!("user{n}@example.com")).collect();
    let mut recipients = to(&many.iter().map(String::as_str).collect::<Vec<_>>());
    recipients["role"] = json!("custom,globalAdmins");
    sending.notify(recipients).await;
    sending.digest_hour().await;
    let mails = sending.peer.received();
    let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    let mut named = many;
    to.sort();
    named.sort();
    assert_eq!(to, named, "those named go first");
    assert!(text_of(&mails[0]).contains("1 more recipients than the 20"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_nobody_holds_is_told_to_nobody_and_that_is_seen() {
    let sending = Sending::new().await;
    sending.notify(json!({ "role": "backupAdmins" })).await;
    for holder in ["chen.wei", "dalia.romero"] {
        sending.outside.delete_user(&format!("{holder}@contoso.onmicrosoft.com")).await;
    }
    sending.digest_hour().await;
    assert_eq!(sending.peer.received(), []);
    let (status, reason) = sending.only_mail().await;
    assert_eq!(status, "refused");
    assert!(reason.starts_with("Nobody who holds the role"), "{reason}");
    assert_eq!(sending.outbox().await[0]["recipient"], "backupAdmins");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_ever_is_not() {
    for (word, answer) in [
        ("EHLO", "421 4.3.2 closing"),
        ("MAIL", "451 4.3.0 later"),
        ("RCPT", "450 4.2.1 mailbox busy"),
        (".", "452 4.3.1 disk full"),
    ] {
        let sending = Sending::new().await;
        sending.notify(to(&["a@example.com"])).await;
        sending.peer.answer(word, answer);
        sending.digest_hour().await;
        let (status, reason) = sending.only_mail().await;
        assert_eq!(status, "waiting", "{answer}: {reason}");
        assert!(reason.contains(&answer[..3]), "{answer}: {reason}");
        sending.work().await;
        sending.peer.answer_as_usual();
        sending.work().await;
        assert_eq!(sending.peer.received(), [], "{answer}: not at once");
        sending.clock.advance(Duration::from_secs(60));
        sending.work().await;
        assert_eq!(sending.peer.received().len(), 1, "{answer}");
        assert_eq!(sending.only_mail().await, ("sent".to_owned(), String::new()), "{answer}");
    }
    for (word, answer) in [
        ("RCPT", "550 5.1.1 nobody\u{7} of that name"),
        ("DATA", "554 5.7.1 no"),
        (".", "552 5.3.4 too long"),
    ] {
        let sending = Sending::new().await;
        sending.notify(to(&["a@example.com"])).await;
        sending.peer.answer(word, answer);
        sending.digest_hour().await;
        let (status, reason) = sending.only_mail().await;
        assert_eq!(status, "refused", "{answer}: {reason}");
        assert!(reason.contains(&answer[..3]) && !reason.contains('\u{7}'), "{answer}: {reason}");
        sending.peer.answer_as_usual();
        sending.clock.advance(DAY / 2);
        sending.work().await;
        assert_eq!(sending.peer.received(), [], "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_too_long_is_given_up() {
    let sending = Sending::new().await;
    sending.notify(to(&["a@example.com"])).await;
    sending.peer.answer("MAIL", "451 4.3.0 later");
    sending.digest_hour().await;
    sending.clock.advance(limits::MAIL_PATIENCE - Duration::from_secs(1));
    sending.work().await;
    assert_eq!(sending.only_mail().await.0, "waiting");
    sending.clock.advance(DAY);
    sending.work().await;
    let (status, reason) = sending.only_mail().await;
    assert_eq!(status, "refused");
    assert!(reason.starts_with("It was tried for too long."), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_survives_the_kill_of_its_sender() {
    let sending = Sending::new().await;
    sending.notify(to(&["a@example.com"])).await;
    sending.clock.set(next_digest_at(sending.clock.now()));
    // The server takes the mail, and its sender never hears of it.
    sending.peer.answer(".", "");
    tokio::select! {
        () = sending.work() => panic!("nobody answers"),
        () = sending.peer.wait_for(1) => {}
    }
    assert_eq!(sending.only_mail().await.0, "waiting");

    sending.peer.answer_as_usual();
    let node = sending.another_node().await;
    node.engine.run_until_idle().await.expect("works");
    assert_eq!(sending.peer.received().len(), 1, "the lease of the dead is not over");
    sending.clock.advance(limits::LEASE);
    node.engine.run_until_idle().await.expect("works");
    let mails = sending.peer.received();
    assert_eq!(mails.len(), 2);
    assert_eq!(
        mails[0].header("Message-ID"),
        mails[1].header("Message-ID"),
        "one mail, for whoever reads it"
    );
    assert_eq!(sending.only_mail().await.0, "sent");
    sending.clock.advance(DAY / 2);
    node.engine.run_until_idle().await.expect("works");
    assert_eq!(sending.peer.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up_for_now() {
    let sending = Sending::new().await;
    sending.notify(to(&["a@example.com"])).await;
    sending.peer.answer("MAIL", "");
    sending.clock.set(next_digest_at(sending.clock.now()));
    let being_asked = async {
        sending.peer.wait_until_asked("MAIL").await;
        sending.clock.advance(Duration::from_secs(31));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sending.work() => {}
        () = being_asked => {}
    }
    let (_, reason) = sending.only_mail().await;
    assert_eq!(reason, "The mail server did not answer in time.");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_digests_stay_in_the_outbox() {
    let peer = SmtpPeer::start(SmtpScript::default()).await;
    let sending = Sending::over(Outside::new().await, peer, "").await;
    sending.notify(to(&["a@example.com"])).await;
    sending.digest_hour().await;
    assert_eq!(sending.only_mail().await.0, "kept");
    assert!(
        sending.outbox().await[0]["body"].as_str().is_some_and(|body| body.contains("changed"))
    );
    sending.clock.advance(limits::MAIL_KEPT + DAY);
    sending.call("PATCH", SETTING, json!({ "isEnabled": false })).await;
    sending.digest_hour().await;
    let outbox = sending.outbox().await;
    let written: Timestamp =
        outbox[0]["writtenDateTime"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    assert_eq!((outbox.len(), written), (1, sending.clock.now()), "the old one is forgotten");
}

/// Over TLS, with a user.
async fn over_tls(login: &str, ca_file: &str) -> Sending {
    let outside = Outside::new().await;
    let tls = outside.folder.path().join("tls");
    let expected = BASE64_STANDARD.encode(format!("\0holdfast\0{PASSWORD}"));
    let script = SmtpScript {
        tls: Some(tls::server_config(&tls).expect("certificates")),
        login: Some(expected),
    };
    let peer = SmtpPeer::start(script).await;
    let ca = if ca_file.is_empty() {
        tls.join("ca.pem").display().to_string()
    } else {
        ca_file.to_owned()
    };
    let mail = format!("smtp = \"localhost:{}\"\nca_file = \"{ca}\"\n{login}", peer.port());
    let sending = Sending::over(outside, peer, &mail).await;
    sending.notify(to(&["a@example.com"])).await;
    sending.digest_hour().await;
    sending
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_encrypted_after_the_user_was_accepted() {
    let login = "user = \"holdfast\"\npassword_file = \"mail.password\"\n";
    let sending = over_tls(login, "").await;
    assert_eq!(sending.only_mail().await, ("sent".to_owned(), String::new()));
    assert!(sending.peer.received()[0].was_encrypted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_the_mails_fault_and_is_told_to_nobody() {
    let sending = over_tls("user = \"somebody\"\npassword_file = \"mail.password\"\n", "").await;
    let (status, reason) = sending.only_mail().await;
    assert_eq!(status, "waiting");
    assert_eq!(reason, "The mail server refuses the user or the password (535).");
    assert_eq!(sending.peer.received(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_vouches_for_gets_neither_password_nor_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let other = rcgen::CertificateParams::default().self_signed(&key).expect("signed").pem();
    let ca = folder.path().join("other.pem");
    std::fs::write(&ca, other).expect("written");
    let login = "user = \"holdfast\"\npassword_file = \"mail.password\"\n";
    let sending = over_tls(login, &ca.display().to_string()).await;
    let (status, reason) = sending.only_mail().await;
    assert_eq!(status, "waiting");
    assert!(reason.starts_with("The mail server does not speak TLS as it should"), "{reason}");
    assert_eq!(sending.peer.received(), []);

    // Nor one that offers no TLS where there must be some.
    let peer = SmtpPeer::start(SmtpScript::default()).await;
    let mail = format!("smtp = \"127.0.0.1:{}\"\n", peer.port());
    let plain = Sending::over(Outside::new().await, peer, &mail).await;
    plain.notify(to(&["a@example.com"])).await;
    plain.digest_hour().await;
    let (status, reason) = plain.only_mail().await;
    assert_eq!((status.as_str(), plain.peer.received().len()), ("waiting", 0), "{reason}");
}
