//! The setting, and which notices come of what is done.

use std::time::Duration;

use axum::http::Method;
use holdfast_domain::Notice;
use holdfast_store::Store;
use serde_json::{Value, json};

use super::is_address;
use crate::harness::{Harness, Reply, TENANT, Token};

const PATH: &str = "/emailNotificationsSetting";

#[test]
fn addresses() {
    assert!(is_address("user1@contoso.com"));
    for text in
        ["", "x", "@contoso.com", "a b@contoso.com", "a@b\r\nBcc: c@d.e", "a@b@c.d", "a@localhost"]
    {
        assert!(!is_address(text), "{text}");
    }
}

async fn set(harness: &Harness, body: Value) -> Reply {
    harness.by(&Token::delegated(), Method::PATCH, PATH, &body).await
}

fn to(emails: &[&str]) -> Value {
    let emails: Vec<Value> = emails.iter().map(|email| json!({ "email": email })).collect();
    json!({ "role": "custom", "customRecipients": emails })
}

/// What was noted for the next digest since the last time: for whom, and what happened.
async fn noted(harness: &Harness) -> Vec<(String, String)> {
    let mut tx = harness.store.begin().await.expect("works");
    let tenant = TENANT.parse().expect("a GUID");
    let notices = tx.notices(tenant, 1000).await.expect("works");
    if let Some((last, _)) = notices.last() {
        tx.remove_notices(tenant, *last).await.expect("works");
    }
    tx.commit().await.expect("works");
    let whom = |notice: &Notice| match notice.recipients.roles.name().as_str() {
        "custom" => notice.recipients.custom.join(" "),
        roles => [&[roles.to_owned()], notice.recipients.named()].concat().join(" "),
    };
    notices.into_iter().map(|(_, notice)| (whom(&notice), notice.what)).collect()
}

async fn told(harness: &Harness) -> Vec<String> {
    noted(harness).await.into_iter().map(|(_, what)| what).collect()
}

#[tokio::test]
async fn the_setting_keeps_what_is_not_sent() {
    let harness = Harness::new().await;
    let none = harness.get(PATH).await.ok();
    assert_eq!((&none["isEnabled"], &none["additionalEvents"]), (&json!(false), &json!("none")));
    assert_eq!(none["recipients"]["customRecipients"], json!([]));
    let body = json!({ "isEnabled": true, "recipients": to(&["a@contoso.com", "b@contoso.com", "a@contoso.com"]) });
    let answer = set(&harness, body).await.ok();
    let two = json!([{ "email": "a@contoso.com" }, { "email": "b@contoso.com" }]);
    assert_eq!(answer["recipients"]["customRecipients"], two);
    set(&harness, json!({ "additionalEvents": "restoreAndPolicyUpdates" })).await.ok();
    set(&harness, json!({ "recipients": { "role": "custom" } })).await.ok();
    let read = harness.get(PATH).await.ok();
    assert_eq!(read["recipients"], json!({ "role": "custom", "customRecipients": two }));
    assert_eq!(read["additionalEvents"], "restoreAndPolicyUpdates");
    assert_eq!(read["isEnabled"], true);
    // What was read can be sent back.
    assert_eq!(set(&harness, read.clone()).await.ok()["recipients"], read["recipients"]);
    set(&harness, json!({ "recipients": to(&[]) })).await.ok();
    let read = harness.get(PATH).await.ok();
    assert_eq!(read["recipients"]["customRecipients"], json!([]));
}

#[tokio::test]
async fn what_makes_no_setting_is_refused() {
    let harness = Harness::new().await;
    harness.patch(PATH, json!({ "isEnabled": true })).await.refused(403, "Forbidden");
    let many: Vec<String> = (0..21).map(|n| format!("user{n}@contoso.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let recipients = |value: Value| json!({ "recipients": value });
    for (body, word) in [
        (json!({ "isEnabled": "yes" }), "isEnabled"),
        (json!({ "additionalEvents": "all" }), "additionalEvents"),
        (json!({ "colour": 1 }), "colour"),
        (json!({ "@odata.type": "#microsoft.graph.site" }), "@odata.type"),
        (recipients(json!(5)), "recipients"),
        (recipients(json!({ "role": "everybody" })), "recipients/role"),
        (recipients(json!({ "role": null })), "recipients/role"),
        (
            recipients(
                json!({ "role": "globalAdmins", "customRecipients": [{ "email": "a@contoso.com" }] }),
            ),
            "recipients/customRecipients",
        ),
        (recipients(json!({ "customRecipients": ["a@contoso.com"] })), "customRecipients/0"),
        (recipients(to(&["a@contoso.com", "x"])), "customRecipients/1/email"),
        (recipients(to(&many)), "20"),
        (recipients(json!({ "recipients": to(&[]) })), "recipients"),
    ] {
        let message = set(&harness, body.clone()).await.refused(400, "BadRequest");
        assert!(message.contains(word), "{body}: {message}");
    }
    assert_eq!(harness.get(PATH).await.ok()["isEnabled"], false);
    set(&harness, recipients(to(&many[..20]))).await.ok();
}

#[tokio::test]
async fn who_is_told_of_the_settings_change() {
    let harness = Harness::new().await;
    let changed = |to: &str| (to.to_owned(), "The notification setting was changed".to_owned());
    set(&harness, json!({ "recipients": to(&["a@contoso.com"]) })).await.ok();
    assert_eq!(noted(&harness).await, [], "it is off");
    set(&harness, json!({ "isEnabled": true })).await.ok();
    assert_eq!(noted(&harness).await, [changed("a@contoso.com")], "switched on");
    set(&harness, json!({ "recipients": to(&["b@contoso.com", "c@contoso.com"]) })).await.ok();
    let both = [changed("a@contoso.com"), changed("b@contoso.com c@contoso.com")];
    assert_eq!(noted(&harness).await, both, "the old recipients, and the new ones");
    set(&harness, json!({ "isEnabled": false })).await.ok();
    assert_eq!(noted(&harness).await, [changed("b@contoso.com c@contoso.com")], "switched off");
    // A request that fails tells nobody.
    set(&harness, json!({ "isEnabled": true, "colour": 1 })).await.refused(400, "BadRequest");
    assert_eq!(noted(&harness).await, []);
}

#[tokio::test]
async fn harm_is_told_always_and_routine_when_wished() {
    for routine in [false, true] {
        let harness = Harness::new().await;
        let events = if routine { "restoreAndPolicyUpdates" } else { "none" };
        let setting = json!({ "isEnabled": true, "additionalEvents": events, "recipients": to(&["a@contoso.com"]) });
        set(&harness, setting).await.ok();
        noted(&harness).await;
        let expect = async |harmful: &[&str], more: &[&str], what: &str| {
            let told = told(&harness).await;
            let expected: Vec<&str> =
                more.iter().filter(|_| routine).chain(harmful).copied().collect();
            let (mut told, mut expected) =
                (told, expected.into_iter().map(str::to_owned).collect::<Vec<_>>());
            told.sort();
            expected.sort();
            assert_eq!(told, expected, "{what}, routine: {routine}");
        };

        let points = harness.protected(&[1, 2]).await;
        expect(&[], &["backupPolicyCreated", "backupPolicyActivated"], "protect").await;
        let policies = harness.get("/protectionPolicies").await.ok();
        let policy = Harness::id(&policies["value"][0]);
        let typed = format!("/sharePointProtectionPolicies/{policy}");
        harness.patch(&typed, json!({ "displayName": "Q" })).await.ok();
        expect(&[], &["backupPolicyRenamed"], "rename").await;
        let removed = json!({ "@removed": { "reason": "changed" }, "id": points[0].0.to_string() });
        harness.patch(&typed, json!({ "siteProtectionUnits@delta": [removed] })).await.ok();
        let left = "A unit was removed from its policy";
        expect(&[left], &["backupPolicyModified"], "remove a unit").await;
        harness.work().await;
        let path = format!("/protectionUnits/{}/offboard", points[0].0);
        harness.by(&Token::delegated(), Method::POST, &path, &Value::Null).await.ok();
        expect(&["protectionUnitLevelOffboarding"], &[], "offboard").await;
        harness.post(&format!("/protectionPolicies/{policy}/deactivate"), Value::Null).await.ok();
        expect(&["backupPolicyPaused"], &[], "deactivate").await;
        harness.draft(&[points[1].1]).await;
        expect(&[], &["restoreTaskCreated"], "restore").await;

        let second = "00000009-0002-4000-8000-000000090002";
        let token = Token::application().claim("appid", json!(second));
        harness.by(&token, Method::POST, "/serviceApps", &json!({})).await.ok();
        expect(&[], &[], "register").await;
        let at = holdfast_domain::Clock::now(&*harness.clock)
            .plus(Duration::from_secs(8 * 24 * 60 * 60));
        let path = format!("/serviceApps/{second}/activate");
        let body = json!({ "effectiveDateTime": at.to_string() });
        harness.by(&Token::delegated(), Method::POST, &path, &body).await.ok();
        expect(&["Control passes to another application"], &[], "hand over").await;
        harness.delete(&format!("/serviceApps/{second}")).await.ok();
        harness.delete(&format!("/serviceApps/{}", crate::harness::APP)).await.ok();
        expect(&["A controller application was deleted"], &[], "delete the controller").await;
    }
}

#[tokio::test]
async fn roles_are_set_by_administrators_unless_strict() {
    let harness = Harness::new().await;
    set(&harness, json!({ "isEnabled": true, "recipients": to(&["a@contoso.com"]) })).await.ok();
    let both = json!({ "recipients": { "role": "custom, backupAdmins" } });
    assert_eq!(set(&harness, both).await.ok()["recipients"]["role"], "backupAdmins,custom");
    let roles = json!({ "recipients": { "role": "allAdmins" } });
    let answer = set(&harness, roles.clone()).await.ok();
    assert_eq!(answer["recipients"], json!({ "role": "allAdmins", "customRecipients": [] }));
    set(&harness, json!({ "recipients": { "role": "none" } })).await.ok();
    let whom: Vec<String> = noted(&harness).await.into_iter().map(|(whom, _)| whom).collect();
    let (a, both) = ("a@contoso.com", "backupAdmins,custom a@contoso.com");
    assert_eq!(whom, [a, a, both, both, "allAdmins", "allAdmins"], "those before, those after");

    let strict = Harness::with(|options| options.strict = true).await;
    let message = set(&strict, roles).await.refused(400, "BadRequest");
    assert!(message.contains("recipients/role"), "{message}");
}
