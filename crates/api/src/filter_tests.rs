//! `$filter` beyond comparisons with literals: functions, arithmetic, casts and lambdas, over the router and real rows; and which
//! properties cannot be asked for at all.

use std::time::Duration;

use axum::http::Method;
use holdfast_domain::{PublicError, PublicErrorDetail, TenantId, UnitId};
use holdfast_store::Store;
use serde_json::{Value, json};

use crate::harness::{Harness, TENANT, Token, site};

/// Protected sites 1 and 2 in a policy named `Sales Ärchive`; a day later another one, `Mail`, for mailboxes, with a rule, and jobs and
/// sessions with requests.
struct Scene {
    harness: Harness,
    sales: String,
    mail: String,
    session: String,
}

const RULE: &str = "(memberOf -any (group.id -in ['0000000d-0001-4000-8000-0000000d0001']))";
const BETA: &str = "/beta/solutions/backupRestore";

async fn scene() -> Scene {
    let harness = Harness::new().await;
    let protected = harness.protected(&[1, 2]).await;
    let sales = Harness::id(&harness.get("/sharePointProtectionPolicies").await.ok()["value"][0]);
    let rename = json!({ "displayName": "Sales Ärchive" });
    harness.patch(&format!("/sharePointProtectionPolicies/{sales}"), rename).await.ok();
    fail(&harness, protected[0].0).await;
    let session = harness.draft(&[protected[0].1]).await;
    harness.clock.advance(Duration::from_secs(24 * 60 * 60));

    let mail = json!({ "displayName": "Mail" });
    let mail = Harness::id(&harness.post("/exchangeProtectionPolicies", mail).await.ok());
    let path = format!("/exchangeProtectionPolicies/{mail}/mailboxInclusionRules");
    let rule = json!({ "mailboxExpression": RULE, "isAutoApplyEnabled": true });
    harness.post(&path, rule).await.ok();
    let path = format!("/sharePointProtectionPolicies/{sales}/siteProtectionUnitsBulkAdditionJobs");
    let urls = ["https://contoso.sharepoint.com/sites/a", "https://contoso.sharepoint.com/sites/b"];
    let job = json!({ "displayName": "Add", "siteWebUrls": urls, "siteIds": [site(4)] });
    harness.post(&path, job).await.ok();
    let bulk = Harness::id(&harness.post("/sharePointRestoreSessions", json!({})).await.ok());
    let path =
        format!("/sharePointRestoreSessions/{bulk}/siteRestoreArtifactsBulkAdditionRequests");
    let request = json!({
        "displayName": "Back", "siteWebUrls": urls, "destinationType": "new", "tags": "none",
        "restorePointPreference": "latest",
        "protectionTimePeriod": { "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-03-01T00:00:00Z" },
    });
    harness.post(&path, request).await.ok();
    Scene { harness, sales, mail, session }
}

async fn fail(harness: &Harness, unit: UnitId) {
    let tenant: TenantId = TENANT.parse().expect("a GUID");
    let mut tx = harness.store.begin().await.expect("begins");
    let mut row = tx.unit(tenant, unit).await.expect("reads").expect("is there");
    let detail = |code: &str| PublicErrorDetail {
        code: code.to_owned(),
        message: "It is so.".to_owned(),
        target: None,
    };
    row.value.error = Some(PublicError {
        code: "generalException".to_owned(),
        message: "The site is locked.".to_owned(),
        target: Some("site".to_owned()),
        details: vec![detail("siteLocked"), detail("readOnly")],
    });
    tx.put(&row.value, row.version).await.expect("writes");
    tx.commit().await.expect("commits");
}

/// How many objects of the collection each filter finds, for a user, who may read names, too.
async fn check(harness: &Harness, collection: &str, filters: &[(&str, usize)]) {
    for (filter, expected) in filters {
        let filter = filter.replace('\'', "%27").replace('Ä', "%C3%84").replace('ä', "%C3%A4");
        let token = Token::delegated();
        let path = format!("{collection}/$count?$filter={filter}");
        let reply = harness.by(&token, Method::GET, &path, &Value::Null).await;
        assert_eq!(reply.text, expected.to_string(), "{collection}: {filter}");
        let path = format!("{collection}?$filter={filter}");
        let rows = harness.by(&token, Method::GET, &path, &Value::Null).await.ok();
        assert_eq!(rows["value"].as_array().map(Vec::len), Some(*expected), "{filter}");
    }
}

#[tokio::test]
async fn functions_arithmetic_and_casts() {
    let Scene { harness, .. } = scene().await;
    check(
        &harness,
        "/protectionPolicies",
        &[
            ("tolower(displayName) eq 'sales ärchive'", 1),
            ("toupper(displayName) eq toupper('sales ärchive')", 1),
            ("'sales ärchive' eq tolower(displayName)", 1),
            ("trim(concat(displayName,'  ')) eq displayName", 2),
            ("length(displayName) gt 4 and length(displayName) add 1 eq 14", 1),
            ("substring(displayName,6,1) eq 'Ä'", 1),
            ("substring(displayName,1) eq 'ail'", 1),
            ("indexof(displayName,'ail') eq 1", 1),
            ("indexof(displayName,'nothing') eq -1", 2),
            ("startswith(tolower(displayName),'sales')", 1),
            ("endswith(concat(displayName,'!'),'CHIVE!')", 1),
            ("contains('Mailbox',displayName)", 1),
            ("year(createdDateTime) eq 2026 and month(createdDateTime) eq 3", 2),
            ("day(createdDateTime) eq 5", 1),
            ("day(createdDateTime) in (4,6)", 1),
            ("hour(createdDateTime) eq 10 and minute(createdDateTime) mul 2 eq 30", 2),
            ("date(createdDateTime) eq 2026-03-05", 1),
            ("date(createdDateTime) lt 2026-03-05", 1),
            ("createdDateTime ge 2026-03-05", 1),
            ("createdDateTime gt now() sub duration'PT1H'", 1),
            ("createdDateTime add duration'P1D' gt now()", 1),
            ("now() sub createdDateTime ge duration'PT24H'", 1),
            ("lastModifiedDateTime ge createdDateTime", 2),
            ("(length(displayName) sub 4) div 9 eq 1", 1),
            ("length(displayName) mod 0 eq 1", 0),
            ("substring(displayName,9223372036854775807 add 1) eq ''", 2),
            ("length(displayName) mul 9223372036854775807 gt 0", 2),
            ("cast(status,Edm.String) eq 'inactive'", 1),
            ("status eq cast('inactive',microsoft.graph.protectionPolicyStatus)", 1),
            ("createdDateTime lt cast('2026-03-05T00:00:00Z',Edm.DateTimeOffset)", 1),
            ("contains(tolower(microsoft.graph.exchangeProtectionPolicy/displayName),'ai')", 1),
            ("isEnabled", 1),
            ("not isEnabled", 1),
            ("isEnabled eq false and true eq isEnabled", 0),
            ("isof('microsoft.graph.entraProtectionPolicy')", 0),
            ("protectionPolicyArtifactCount/total eq 2", 1),
            ("createdBy/application/displayName eq 'Contoso Backup'", 2),
            ("createdBy/user/id ne null", 0),
            ("tolower(createdBy/user/displayName) eq 'x' or displayName eq 'Mail'", 1),
        ],
    )
    .await;
    check(
        &harness,
        "/protectionUnits",
        &[
            ("error ne null", 1),
            ("error/code eq 'generalException' and error/target eq 'site'", 1),
            ("error/code ne 'generalException'", 1),
            ("contains(error/message,'LOCKED')", 1),
            ("tolower(siteName) ne null", 2),
            ("offboardRequestedDateTime ne null", 0),
            ("backupRetentionPeriodInDays sub 300 ge 65", 2),
        ],
    )
    .await;
    check(
        &harness,
        "/restorePoints",
        &[
            ("isof(protectionUnit,'microsoft.graph.siteProtectionUnit')", 2),
            ("isof(protectionUnit,microsoft.graph.mailboxProtectionUnit)", 0),
            ("protectionUnit/status eq 'protected' and protectionUnit/error ne null", 1),
            ("tags has 'fastRestore' and tags ne 'none'", 2),
            ("expirationDateTime sub protectionDateTime eq duration'P365D'", 2),
        ],
    )
    .await;
    check(
        &harness,
        "/mailboxInclusionRules",
        &[
            ("isAutoApplyEnabled", 1),
            ("isAutoApplyEnabled eq false", 0),
            ("contains(mailboxExpression,'memberof')", 1),
        ],
    )
    .await;
    check(
        &harness,
        "/restoreSessions",
        &[
            ("restoreSessionArtifactCount/total gt 0", 1),
            ("restoreSessionArtifactCount/failed gt 0", 0),
            ("completedDateTime eq null", 2),
        ],
    )
    .await;
    check(&harness, "/serviceApps", &[("status eq 'active'", 1), ("status eq 'pendingActive'", 0)])
        .await;
    check(
        &harness,
        &format!("{BETA}/activityLogs"),
        &[
            ("serviceType eq 'exchange' and activityType eq 'backupPolicyCreated'", 1),
            ("isof('microsoft.graph.backupPolicyActivityLog') and policyName eq 'Mail'", 1),
            ("microsoft.graph.backupPolicyActivityLog/policyName eq 'Mail'", 1),
            ("microsoft.graph.restoreTaskActivityLog/restoreSessionId ne null", 2),
            ("severity eq 'low' and activityType eq 'backupPolicyCreated'", 2),
            ("severity ne 'low' and severity ne 'medium' and severity ne 'high'", 0),
        ],
    )
    .await;
}

#[tokio::test]
async fn lambdas_over_whatever_is_a_list() {
    let Scene { harness, sales, mail, session } = scene().await;
    check(&harness, "/protectionPolicies", &[
        ("mailboxInclusionRules/any(r: r/isAutoApplyEnabled)", 1),
        ("mailboxInclusionRules/any(r: not r/isAutoApplyEnabled)", 0),
        ("mailboxInclusionRules/all(r: r/isAutoApplyEnabled)", 2),
        ("siteInclusionRules/any()", 0),
        ("siteProtectionUnitsBulkAdditionJobs/any(j: j/siteWebUrls/any(u: endswith(u,'/a')))", 1),
        ("siteProtectionUnitsBulkAdditionJobs/any(j: j/siteWebUrls/all(u: endswith(u,'/a')))", 0),
        ("siteExclusionUnits/any()", 0),
        ("siteExclusionUnitsBulkAdditionJobs/any()", 0),
        ("siteProtectionUnits/any(u: u/error/details/any(d: d/code eq 'siteLocked'))", 1),
        ("siteProtectionUnits/all(u: u/error/details/any(d: d/code eq 'siteLocked'))", 1),
        ("siteProtectionUnits/any(u: isof(u,'microsoft.graph.siteProtectionUnit'))", 1),
        ("retentionSettings/any(r: r/interval eq 'R/P1W' and r/period eq duration'P365D')", 2),
        ("retentionSettings/any(r: r/period eq 'P1Y')", 2),
        ("retentionSettings/any(r: r/interval eq 'R/P1W' and r/period eq 'P2W')", 0),
        ("retentionSettings/all(r: startswith(r/interval,'R/'))", 2),
    ])
    .await;
    check(
        &harness,
        "/siteProtectionUnits",
        &[
            ("error/details/any()", 1),
            ("error/details/any(d: d/code eq 'readOnly' and d/target eq null)", 1),
            ("error/details/all(d: d/code eq 'siteLocked')", 1),
        ],
    )
    .await;
    check(
        &harness,
        "/siteProtectionUnitsBulkAdditionJobs",
        &[
            ("siteWebUrls/any(u: u eq 'https://contoso.sharepoint.com/sites/b')", 1),
            ("siteWebUrls/any(u: length(u) gt 1000)", 0),
            ("siteIds/all(i: startswith(i,'contoso'))", 1),
        ],
    )
    .await;
    check(&harness, "/restoreSessions", &[
        ("siteRestoreArtifacts/any(a: a/restorePointDateTime lt now())", 1),
        ("granularSiteRestoreArtifacts/any()", 0),
        ("granularMailboxRestoreArtifacts/any()", 0),
        ("siteRestoreArtifactsBulkAdditionRequests/any(r: r/siteWebUrls/any(u: endswith(u,'/b')))", 1),
        ("siteRestoreArtifactsBulkAdditionRequests/any(r: r/protectionTimePeriod/endDateTime lt 2026-03-02)", 1),
        ("siteRestoreArtifactsBulkAdditionRequests/any(r: r/restorePointPreference eq 'oldest')", 0),
    ])
    .await;
    // What is found is the right one.
    for (path, expected) in [
        ("/protectionPolicies?$filter=mailboxInclusionRules/any()", &mail),
        ("/protectionPolicies?$filter=siteProtectionUnits/any(u: u/error ne null)", &sales),
        ("/restoreSessions?$filter=siteRestoreArtifacts/any()", &session),
    ] {
        assert_eq!(Harness::id(&harness.get(path).await.ok()["value"][0]), *expected, "{path}");
    }
    // Names are for users only, inside as well.
    let path = "/protectionPolicies?$filter=siteProtectionUnits/any(u: u/siteName eq 'x')";
    harness.get(path).await.refused(400, "BadRequest");
    // The first page's condition stays with the next pages.
    let path = "/siteProtectionUnits?$filter=length(siteId) gt 5 and error/code ne 'x'&$top=1";
    let page = harness.get(path).await.ok();
    let next = page["@odata.nextLink"].as_str().expect("there are two");
    let page = harness.get(next.trim_start_matches("https://localhost:8443")).await.ok();
    assert_eq!(page["value"].as_array().map(Vec::len), Some(1));
}

/// Every property of every listed type can be asked whether it is null, or whether it lists something; those that cannot are here.
#[tokio::test]
async fn what_cannot_be_filtered_is_listed() {
    let harness = Harness::new().await;
    let mut refused = Vec::new();
    for (collection, type_name) in [
        ("protectionPolicies", "protectionPolicyBase"),
        ("protectionUnits", "protectionUnitBase"),
        ("siteInclusionRules", "protectionRuleBase"),
        ("siteProtectionUnitsBulkAdditionJobs", "protectionUnitsBulkJobBase"),
        ("siteExclusionUnitsBulkAdditionJobs", "exclusionUnitBulkAdditionJob"),
        ("exclusionUnits", "exclusionUnitBase"),
        ("restorePoints", "restorePoint"),
        ("restoreSessions", "restoreSessionBase"),
        ("browseSessions", "browseSessionBase"),
        ("serviceApps", "serviceApp"),
        ("activityLogs", "activityLogBase"),
    ] {
        let family = holdfast_graph_model::types().family(type_name);
        for property in family.flat_map(|info| &info.properties) {
            let name = &property.name;
            let filter = match property.type_name.starts_with("Collection(") {
                true => format!("{name}/any()"),
                false => format!("{name} eq null"),
            };
            let token = Token::delegated().claim(
                "wids",
                json!([
                    "62e90394-69f5-4237-9190-012177145e10",
                    "9d3e04ba-3ee4-4d1b-a3a7-9aef423a09be"
                ]),
            );
            let path = format!("{BETA}/{collection}/$count?$filter={filter}");
            let reply = harness.by(&token, Method::GET, &path, &Value::Null).await;
            if reply.status.as_u16() != 200 {
                let message = reply.refused(400, "BadRequest");
                assert!(message.contains(name.as_str()), "{collection} {filter}: {message}");
                refused.push(format!("{collection}/{name}"));
            }
        }
    }
    let expected: Vec<&str> = NOT_FILTERED.split_whitespace().collect();
    assert_eq!(refused, expected, "\n{}", refused.join("\n"));
}

const NOT_FILTERED: &str = "
    protectionPolicies/billingPolicyId protectionPolicies/offboardRequestedDateTime protectionPolicies/protectionPolicyArtifactCount
    protectionUnits/pendingRetentionPeriodChange
    exclusionUnits/displayName exclusionUnits/email exclusionUnits/error
    exclusionUnits/displayName exclusionUnits/email exclusionUnits/mailboxType exclusionUnits/siteName exclusionUnits/siteWebUrl
    restoreSessions/restoreSessionArtifactCount browseSessions/backupSizeInBytes browseSessions/restorePointId
    serviceApps/application
    activityLogs/protectionUnitDetails activityLogs/protectionUnitDetails activityLogs/offboardingDetails
    activityLogs/restoreArtifactDetails activityLogs/restoreCompletionDateTime activityLogs/tags";
