//! Every error that the contract publishes is provoked through the whole router, or listed with the reason why it cannot be.

use std::collections::BTreeSet;

use axum::http::{Method, header};
use holdfast_domain::limits::BODY_BYTES;
use holdfast_domain::{
    Clock, PolicyId, ProtectionRule, ProtectionSources, RestorePointId, RuleId, RuleState,
    TenantId, UnitId,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::{Store, StoreError, find};
use serde_json::{Value, json};

use crate::harness::{Harness, TENANT, Token, artifact, site};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000001";
const MONITOR: &str = "BackupRestore-Monitor.Read.All";

/// Codes of ours that no request provokes.
const NOT_PROVOKED: [(ErrorCode, &str); 1] = [(
    ErrorCode::InvalidProtectionRuleStatusForUpdation,
    "a static rule is never updated, and a dynamic one has a code of its own (422)",
)];

/// Answers to requests that Graph publishes and we never send.
const NOT_OURS: [(&str, u64, &str); 5] = [
    ("PolicySaveFailed", 500, "a write is one transaction: whole, or ServiceUnavailable"),
    ("IncompleteArtifactDeletion", 500, "a session and its artifacts go in one transaction"),
    ("InvalidBillingProfile", 402, "nothing is billed"),
    ("UnableToReadBillingProfile", 403, "nothing is billed"),
    ("TooManyRequests", 429, "the API does not throttle its callers"),
];

/// A request that is refused. `group` is that of `spec/errors.json` which lists the code, or `ours`.
struct Case {
    group: &'static str,
    code: ErrorCode,
    token: Token,
    method: Method,
    path: String,
    body: Value,
}

/// What the cases name.
struct Scene {
    harness: Harness,
    /// Active, with two sites.
    policy: String,
    units: Vec<UnitId>,
    points: Vec<RestorePointId>,
    draft: String,
    /// One of as many as can be active at once.
    active_session: String,
    /// Below the Exchange policy's rules.
    static_rule: String,
    dynamic_rule: String,
    mail_policy: String,
    /// With a bulk request that is being carried out.
    bulk_session: String,
    bulk_request: String,
    /// Of a site with two libraries.
    browse_session: String,
    /// Not ready yet.
    creating_session: String,
}

const GROUP: &str = "(memberOf -any (group.id -in ['0000000d-0001-4000-8000-0000000d0001']))";

impl Scene {
    async fn new() -> Self {
        let harness = Harness::new().await;
        let protected = harness.protected(&[1, 2]).await;
        let (units, points): (Vec<_>, Vec<_>) = protected.into_iter().unzip();
        let browsing = json!({ "restorePointId": points[0].to_string() });
        let made = harness.post("/sharePointBrowseSessions", browsing.clone()).await.ok();
        let browse_session = Harness::id(&made);
        harness.work().await;
        let policy = Harness::id(&harness.get("/protectionPolicies").await.ok()["value"][0]);
        let draft = harness.draft(&points[..1]).await;
        let mut active_session = String::new();
        for _ in 0..25 {
            active_session = harness.draft(&points).await;
            let path = format!("/restoreSessions/{active_session}/activate");
            harness.post(&path, Value::Null).await.ok();
        }
        let post = async |path: String, body: Value| -> String {
            Harness::id(&harness.post(&path, body).await.ok())
        };
        let name = json!({ "displayName": "P" });
        let mail_policy = post("/exchangeProtectionPolicies".to_owned(), name.clone()).await;
        let rules = format!("/exchangeProtectionPolicies/{mail_policy}/mailboxInclusionRules");
        let rule =
            |dynamic: bool| json!({ "mailboxExpression": GROUP, "isAutoApplyEnabled": dynamic });
        let static_rule = post(rules.clone(), rule(false)).await;
        let dynamic_rule = post(rules, rule(true)).await;
        for _ in 0..100 {
            let id = post("/oneDriveForBusinessProtectionPolicies".to_owned(), name.clone()).await;
            let path = format!("/protectionPolicies/{id}/activate");
            harness.post(&path, Value::Null).await.ok();
        }
        let creating_session = post("/sharePointBrowseSessions".to_owned(), browsing).await;
        let bulk_session = post("/sharePointRestoreSessions".to_owned(), json!({})).await;
        let bulk_request = post(bulk_path(&bulk_session), bulk_body(&["https://a.example"])).await;
        let scene = Self {
            policy,
            units,
            points,
            draft,
            active_session,
            static_rule,
            dynamic_rule,
            mail_policy,
            bulk_session,
            bulk_request,
            browse_session,
            creating_session,
            harness,
        };
        scene.put_rule(&scene.dynamic_rule, RuleState::DeleteRequested).await;
        scene.hold_by_rule(scene.units[1]).await;
        scene
    }

    /// Into a state that only the engine leaves.
    async fn put_rule(&self, id: &str, state: RuleState) {
        let (tenant, id): (TenantId, RuleId) =
            (TENANT.parse().expect("a GUID"), id.parse().expect("a GUID"));
        let mut tx = self.harness.store.begin().await.expect("works");
        let row = find::<ProtectionRule>(&mut *tx, tenant, &id).await.expect("works");
        let row = row.expect("it exists");
        tx.put(&ProtectionRule { state, ..row.value }, row.version).await.expect("works");
        tx.commit().await.expect("works");
    }

    /// As if a dynamic rule had brought the unit in.
    async fn hold_by_rule(&self, id: UnitId) {
        let tenant: TenantId = TENANT.parse().expect("a GUID");
        let mut tx = self.harness.store.begin().await.expect("works");
        let row = tx.unit(tenant, id).await.expect("works").expect("it exists");
        let mut unit = row.value;
        unit.sources = ProtectionSources::DYNAMIC_RULE;
        tx.put(&unit, row.version).await.expect("works");
        tx.commit().await.expect("works");
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = self.policy_cases();
        cases.extend(self.rule_cases());
        cases.extend(self.session_cases());
        cases.extend(self.other_cases());
        cases
    }

    fn policy_cases(&self) -> Vec<Case> {
        use ErrorCode as E;
        let policies = "/sharePointProtectionPolicies";
        let policy = format!("/protectionPolicies/{}", self.policy);
        let typed = format!("{policies}/{}", self.policy);
        let unit = |n: u32| json!({ "siteId": site(n) });
        let many: Vec<Value> = (0..51).map(unit).collect();
        let create = |units: Value| json!({ "displayName": "P", "siteProtectionUnits": units });
        let delta = |units: Value| json!({ "siteProtectionUnits@delta": units });
        let held =
            json!([{ "@removed": { "reason": "changed" }, "id": self.units[1].to_string() }]);
        let full = "/oneDriveForBusinessProtectionPolicies";
        vec![
            post("createPolicy", E::InvalidCreateRequest, policies, Value::Null),
            post("createPolicy", E::InvalidDisplayName, policies, json!({})),
            post("createPolicy", E::ProtectionUnitsLimitBreached, policies, create(json!(many))),
            post(
                "createPolicy",
                E::ProtectionUnitAlreadyExists,
                policies,
                create(json!([unit(1)])),
            ),
            post("createPolicy", E::PolicyCreationNotAllowed, full, json!({ "displayName": "P" })),
            get("getPolicy", E::InvalidPolicyId, "/protectionPolicies/x"),
            get("getPolicy", E::PolicyNotFound, &format!("/protectionPolicies/{UNKNOWN}")),
            patch(
                "updatePolicy",
                E::DuplicateProtectionUnitInList,
                &typed,
                delta(json!([unit(5), unit(5)])),
            ),
            patch("updatePolicy", E::ProtectionUnitActionNotAllowed, &typed, delta(held)),
            post(
                "activatePolicy",
                E::InvalidStateForActivation,
                &format!("{policy}/activate"),
                Value::Null,
            ),
            delete("deletePolicy", E::PolicyActionNotAllowed, &policy),
        ]
    }

    fn rule_cases(&self) -> Vec<Case> {
        use ErrorCode as E;
        let rules =
            format!("/exchangeProtectionPolicies/{}/mailboxInclusionRules", self.mail_policy);
        let fixed = format!("{rules}/{}", self.static_rule);
        let dynamic = format!("{rules}/{}", self.dynamic_rule);
        let expression = |text: &str| json!({ "mailboxExpression": text });
        let groups: Vec<String> =
            (0..101).map(|n| format!("'0000000d-{n:04x}-4000-8000-0000000d0001'")).collect();
        let many = format!("(memberOf -any (group.id -in [{}]))", groups.join(", "));
        let unknown = json!({ "mailboxExpression": GROUP, "colour": 1 });
        let unprotect = format!("{dynamic}/deleteAndUnprotect");
        vec![
            post("createRule", E::InvalidInclusionRuleCreateRequest, &rules, unknown),
            post("createRule", E::InvalidRuleExpression, &rules, expression("x")),
            post(
                "createRule",
                E::InvalidRuleExpressionGroupLimitExceeded,
                &rules,
                expression(&many),
            ),
            patch(
                "updateRule",
                E::InvalidProtectionRulePatchRequest,
                &dynamic,
                json!({ "isAutoApplyEnabled": false }),
            ),
            patch("updateRule", E::PatchNotAllowedForStaticRule, &fixed, expression(GROUP)),
            patch("updateRule", E::DynamicRuleEditNotAllowed, &dynamic, expression(GROUP)),
            post(
                "deleteAndUnprotectRule",
                E::DynamicRuleDeleteAndUnprotectNotAllowed,
                &unprotect,
                Value::Null,
            ),
            post("runRule", E::RunNotAllowedForDynamicRule, &format!("{dynamic}/run"), Value::Null),
            get("getRule", E::InvalidInclusionRuleId, &format!("{rules}/x")),
            get("getRule", E::ProtectionRuleNotFound, &format!("{rules}/{UNKNOWN}")),
            delete("deleteRule", E::InvalidProtectionRuleStatusForDeletion, &fixed),
            delete("deleteRule", E::DynamicRuleDeletionNotAllowed, &dynamic),
        ]
    }

    fn session_cases(&self) -> Vec<Case> {
        use ErrorCode as E;
        let sessions = "/sharePointRestoreSessions";
        let draft = format!("{sessions}/{}", self.draft);
        let list = |items: Value| json!({ "siteRestoreArtifacts": items });
        let one = |destination: &str| artifact(self.points[0], destination);
        let many = vec![one("new"); 51];
        let mixed = json!([one("new"), artifact(self.points[1], "inPlace")]);
        let expired = json!([{ "restorePoint": { "id": "x" }, "destinationType": "new" }]);
        let delta = json!({ "siteRestoreArtifacts@delta": many });
        let bulk = bulk_path(&self.bulk_session);
        let mail_bulk = format!(
            "/exchangeRestoreSessions/{UNKNOWN}/mailboxRestoreArtifactsBulkAdditionRequests"
        );
        let names = vec!["https://a.example"; 10_001];
        let activate = format!("/restoreSessions/{}/activate", self.draft);
        let mail = json!({ "displayName": "B", "mailboxes": ["x"] });
        vec![
            post("createRestoreSession", E::InvalidArtifactRequest, sessions, list(json!([]))),
            post("createRestoreSession", E::InvalidPathType, sessions, list(json!([one("up")]))),
            post("createRestoreSession", E::InvalidRestorePoint, sessions, list(expired)),
            post("createRestoreSession", E::DifferentRestoreDestinationType, sessions, list(mixed)),
            post(
                "createRestoreSession",
                E::DuplicateArtifactInList,
                sessions,
                list(json!([one("new"), one("new")])),
            ),
            post("createRestoreSession", E::TooManyArtifactsInCreate, sessions, list(json!(many))),
            get("getRestoreSession", E::InvalidRestoreSessionId, "/restoreSessions/x"),
            get(
                "getRestoreSession",
                E::RestoreSessionNotFound,
                &format!("/restoreSessions/{UNKNOWN}"),
            ),
            patch("updateRestoreSession", E::InvalidPatchRequest, &draft, json!({ "colour": 1 })),
            patch("updateRestoreSession", E::TooManyArtifactsInUpdate, &draft, delta),
            delete(
                "deleteRestoreSession",
                E::RestoreSessionActionNotAllowed,
                &format!("/restoreSessions/{}", self.active_session),
            ),
            post("activateRestoreSession", E::TooManyActiveRestoreSessions, &activate, Value::Null),
            post("createBulkRequest", E::BulkRestoreInvalidCreateRequest, &bulk, Value::Null),
            post("createBulkRequest", E::BulkRestoreResourcesLimit, &bulk, bulk_body(&names)),
            post(
                "createBulkRequest",
                E::BulkRestoreInvalidCreateRequestSiteUrl,
                &bulk,
                bulk_body(&["x"]),
            ),
            post(
                "createBulkRequest",
                E::BulkRestoreInvalidCreateRequestUserEmail,
                &mail_bulk,
                mail,
            ),
            get("createBulkRequest", E::InvalidBulkRestoreArtifactId, &format!("{bulk}/x")),
            get("getBulkRequest", E::BulkRestoreArtifactsNotFound, &format!("{bulk}/{UNKNOWN}")),
            delete(
                "deleteBulkRequest",
                E::InvalidStateForBulkRequestDeletion,
                &format!("{bulk}/{}", self.bulk_request),
            ),
        ]
    }

    fn other_cases(&self) -> Vec<Case> {
        use ErrorCode as E;
        let beta = "/beta/solutions/backupRestore/sharePointBrowseSessions";
        let long = vec!["id eq 'x'"; 101].join(" or ");
        let offboard = format!("/protectionUnits/{}/offboard", self.units[0]);
        let owner = json!({ "appOwnerTenantId": "x" });
        let mut cases = vec![
            get("listUnits", E::FilterLengthExceeded, &format!("/protectionUnits?$filter={long}")),
            get("getUnit", E::InvalidProtectionUnitId, "/protectionUnits/x"),
            get("ours", E::ProtectionUnitNotFound, &format!("/protectionUnits/{UNKNOWN}")),
            post("offboardUnit", E::OperationNotAllowed, &offboard, Value::Null),
            post("restorePoints", E::InvalidSearchRequest, "/restorePoints/search", json!({})),
            post("enable", E::InvalidAppOwnerTenantId, "/enable", owner),
            get("generic", E::BadRequest, "/protectionPolicies?$filter=colour eq 'red'"),
            get("generic", E::InvalidAuthenticationToken, "/protectionPolicies"),
            get("generic", E::Forbidden, "/protectionPolicies"),
            get("generic", E::ResourceNotFound, "/nothing"),
            delete("generic", E::MethodNotAllowed, "/restorePoints/x"),
            post(
                "browseBeta",
                E::Conflict,
                &format!("{beta}/{}/browse", self.browse_session),
                json!({ "optimizedBrowse": true }),
            ),
            post(
                "ours",
                E::BrowseSessionNotReady,
                &format!("{beta}/{}/browse", self.creating_session),
                json!({}),
            ),
        ];
        for case in &mut cases {
            case.token = match case.code {
                E::OperationNotAllowed => Token::delegated(),
                E::InvalidAuthenticationToken => Token::application().expires_in(-3600),
                E::Forbidden => Token::application_with(&[MONITOR]),
                _ => Token::application(),
            };
        }
        cases
    }
}

fn bulk_path(session: &str) -> String {
    format!("/sharePointRestoreSessions/{session}/siteRestoreArtifactsBulkAdditionRequests")
}

fn bulk_body(urls: &[&str]) -> Value {
    json!({ "displayName": "B", "siteWebUrls": urls, "destinationType": "new", "protectionTimePeriod": {} })
}

fn case(group: &'static str, code: ErrorCode, method: Method, path: &str, body: Value) -> Case {
    Case { group, code, token: Token::application(), method, path: path.to_owned(), body }
}

fn get(group: &'static str, code: ErrorCode, path: &str) -> Case {
    case(group, code, Method::GET, path, Value::Null)
}

fn post(group: &'static str, code: ErrorCode, path: &str, body: Value) -> Case {
    case(group, code, Method::POST, path, body)
}

fn patch(group: &'static str, code: ErrorCode, path: &str, body: Value) -> Case {
    case(group, code, Method::PATCH, path, body)
}

fn delete(group: &'static str, code: ErrorCode, path: &str) -> Case {
    case(group, code, Method::DELETE, path, Value::Null)
}

fn spec() -> Value {
    serde_json::from_str(include_str!("../../../spec/errors.json")).expect("JSON")
}

/// Entries of `spec/errors.json` at that level: code and status.
fn published(level: &str) -> BTreeSet<(String, u64)> {
    let errors = spec();
    let groups = errors["groups"].as_object().expect("an object");
    groups
        .values()
        .chain([&errors["generic"]])
        .flat_map(|group| group.as_array().expect("a list"))
        .filter(|entry| entry["level"] == level)
        .filter_map(|entry| {
            Some((entry["code"].as_str()?.to_owned(), entry["httpStatus"].as_u64()?))
        })
        .collect()
}

fn is_listed(group: &str, code: ErrorCode) -> bool {
    let errors = spec();
    let list = if group == "generic" { &errors["generic"] } else { &errors["groups"][group] };
    list.as_array().into_iter().flatten().any(|entry| {
        entry["code"] == code.name() && entry["httpStatus"] == u64::from(code.status())
    })
}

#[tokio::test]
async fn every_code_is_provoked() {
    let scene = Scene::new().await;
    let mut provoked = Vec::new();
    for case in scene.cases() {
        let (code, path) = (case.code, &case.path);
        assert_eq!(is_listed(case.group, code), case.group != "ours", "{}: {code:?}", case.group);
        let reply = scene.harness.by(&case.token, case.method, path, &case.body).await;
        let answered = (reply.status.as_u16(), reply.json["error"]["code"].as_str());
        let shown: String = path.chars().take(120).collect();
        assert_eq!(answered, (code.status(), Some(code.name())), "{shown}: {}", reply.text);
        reply.refused(code.status(), code.name());
        provoked.push(code);
    }
    scene.put_rule(&scene.static_rule, RuleState::DeleteRequested).await;
    let run = format!(
        "/exchangeProtectionPolicies/{}/mailboxInclusionRules/{}/run",
        scene.mail_policy, scene.static_rule
    );
    provoked.push(ErrorCode::ProtectionRuleActionNotAllowed);
    scene.harness.post(&run, Value::Null).await.refused(400, "ProtectionRuleActionNotAllowed");

    let bearer = Token::application().bearer(scene.harness.clock.now());
    for (code, content_type, body) in [
        (ErrorCode::UnsupportedMediaType, "text/plain", b"{}".to_vec()),
        (ErrorCode::RequestEntityTooLarge, "application/json", vec![b' '; BODY_BYTES + 1]),
    ] {
        let headers = [
            (header::AUTHORIZATION.as_str(), bearer.as_str()),
            (header::CONTENT_TYPE.as_str(), content_type),
        ];
        let reply = scene.harness.send(Method::POST, "/enable", &headers, body).await;
        reply.refused(code.status(), code.name());
        provoked.push(code);
    }

    let part = |id: &str, url: &str, after: &[&str]| {
        json!({ "id": id, "method": "GET", "dependsOn": after,
                "url": format!("/solutions/backupRestore{url}") })
    };
    let parts = json!({ "requests": [part("1", "/nothing", &[]), part("2", "", &["1"])] });
    let answer = scene.harness.post("/v1.0/$batch", parts).await.ok();
    let responses = answer["responses"].as_array().expect("a list");
    let dependent = responses.iter().find(|part| part["id"] == "2").expect("it is answered");
    assert_eq!(dependent["status"], 424);
    assert_eq!(dependent["body"]["error"]["code"], ErrorCode::FailedDependency.name());
    provoked.push(ErrorCode::FailedDependency);

    let failures: [(ErrorCode, fn() -> StoreError); 2] = [
        (ErrorCode::ServiceUnavailable, || StoreError::Unavailable("the disk is full".to_owned())),
        (ErrorCode::InternalServerError, || StoreError::Inconsistent("row 7".to_owned())),
    ];
    for (code, error) in failures {
        let harness = Harness::with_failing_store(error);
        let reply = harness.get("/protectionPolicies").await;
        let message = reply.refused(code.status(), code.name());
        // The cause is for the log.
        assert!(!message.contains("disk") && !message.contains("row"), "{message}");
        provoked.push(code);
    }

    let missing: Vec<ErrorCode> =
        ErrorCode::ALL.iter().copied().filter(|code| !provoked.contains(code)).collect();
    assert_eq!(missing.len(), NOT_PROVOKED.len(), "{missing:?}");
    for (code, why) in NOT_PROVOKED {
        assert!(missing.contains(&code), "{code:?} is provoked, although {why}");
    }
}

/// What Graph publishes and we never send is exactly what is listed, each with its reason.
#[test]
fn published_codes_are_ours_or_listed() {
    let ours: BTreeSet<(String, u64)> = ErrorCode::ALL
        .iter()
        .map(|code| (code.name().to_owned(), u64::from(code.status())))
        .collect();
    let missing: BTreeSet<_> = published("request").difference(&ours).cloned().collect();
    let listed = NOT_OURS.map(|(code, status, _)| (code.to_owned(), status)).into();
    assert_eq!(missing, listed);
}

/// Errors of single entries: the request succeeds, and the entry says why it did not.
#[tokio::test]
async fn entries_that_fail_say_why() {
    let harness = Harness::new().await;
    let (first, second) = (harness.policy(&[1]).await, harness.policy(&[]).await);
    let removed = json!({ "@removed": { "reason": "changed" }, "id": UNKNOWN });
    let units = json!({ "siteProtectionUnits@delta": [{ "siteId": site(1) }, removed] });
    let artifacts = json!({ "siteRestoreArtifacts@delta": [removed] });
    let draft = harness.draft(&[]).await;
    let mut seen = BTreeSet::new();
    for (path, list, body) in [
        (format!("/sharePointProtectionPolicies/{second}"), "siteProtectionUnits@delta", units),
        (format!("/sharePointRestoreSessions/{draft}"), "siteRestoreArtifacts@delta", artifacts),
    ] {
        let answer = harness.patch(&path, body).await.ok();
        for entry in answer[list].as_array().expect("a list") {
            let failure = &entry["@Core.DataModificationException"];
            let code = failure["info"]["code"].as_str().expect("a code").to_owned();
            let operation = if code.ends_with("AlreadyExists") { "add" } else { "remove" };
            assert_eq!(failure["failedOperation"], operation, "{entry}");
            assert_eq!(failure["responseCode"], 409, "{entry}");
            seen.insert((code, 200));
        }
    }
    assert_eq!(seen, published("item"));
    let first: PolicyId = first.parse().expect("a GUID");
    let stays = harness.get(&format!("/protectionUnits?$filter=policyId eq '{first}'")).await.ok();
    assert_eq!(stays["value"].as_array().map(Vec::len), Some(1));
}
