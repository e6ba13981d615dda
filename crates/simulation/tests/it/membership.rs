//! Units into policies by rules, by bulk jobs and by policies for a whole workload; restores by name; recovery windows.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_domain::{Clock, ProtectionRule};
use holdfast_simulation::{World, WorldOptions};
use holdfast_store::find;
use holdfast_testkit::Fault;
use http::Method;
use serde_json::{Value, json};

use crate::common::id;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn world(seed: u64) -> World {
    World::new(WorldOptions::new(seed)).await.unwrap()
}

async fn post(world: &World, path: &str, body: Value) -> Value {
    world.node.graph.backup(Method::POST, path, &body).await.unwrap()
}

async fn get(world: &World, path: &str) -> Value {
    world.node.graph.backup(Method::GET, path, &Value::Null).await.unwrap()
}

/// Everything that is due now; what waits for its day stays.
async fn work(world: &World) {
    world.node.engine.run_until_idle().await.unwrap();
}

async fn policy(world: &World, policies: &str, body: Value) -> String {
    let policy = id(&post(world, &format!("/{policies}"), body).await);
    post(world, &format!("/protectionPolicies/{policy}/activate"), Value::Null).await;
    format!("/{policies}/{policy}")
}

/// A property of every unit in a policy.
async fn of_units(world: &World, units: &str, property: &str) -> BTreeSet<String> {
    let listed = get(world, &format!("{units}?$top=999")).await;
    let units = listed["value"].as_array().unwrap().iter();
    units.map(|unit| unit[property].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_rule_brings_in_what_it_names() {
    let world = world(701).await;
    for name in ["finance-emea", "finance-apac", "legal"] {
        world.make_site(name).await.unwrap();
    }
    let below = policy(&world, "sharePointProtectionPolicies", json!({ "displayName": "P" })).await;
    let expression = "((displayName -contains 'FINANCE-') -and (webUrl -contains 'emea'))";
    let body = json!({ "siteExpression": expression });
    let rule = post(&world, &format!("{below}/siteInclusionRules"), body).await;
    assert_eq!(rule["status"], "active");
    work(&world).await;
    let rule = format!("{below}/siteInclusionRules/{}", id(&rule));
    assert_eq!(get(&world, &rule).await["status"], "completed");
    let units = format!("{below}/siteProtectionUnits");
    assert_eq!(
        of_units(&world, &units, "protectionSources").await,
        BTreeSet::from(["manual".into()])
    );
    assert_eq!(of_units(&world, &units, "status").await, BTreeSet::from(["protected".into()]));
    assert_eq!(get(&world, &format!("{units}/$count")).await, json!(1));
    // What comes later, a static rule does not see until it is run again.
    world.make_site("finance-emea-2").await.unwrap();
    world.clock.advance(2 * DAY);
    work(&world).await;
    assert_eq!(get(&world, &format!("{units}/$count")).await, json!(1));
    assert_eq!(post(&world, &format!("{rule}/run"), Value::Null).await["status"], "active");
    work(&world).await;
    assert_eq!(get(&world, &format!("{units}/$count")).await, json!(2));
}

/// The group's id, its members and somebody who is not in it.
async fn group(world: &World, name: &str) -> (String, Vec<String>, String) {
    let graph = &world.node.graph;
    let groups = graph.list("/v1.0/groups").await.unwrap();
    let group = id(groups.iter().find(|group| group["displayName"] == name).unwrap());
    let members = graph.list(&format!("/v1.0/groups/{group}/members")).await.unwrap();
    let members: Vec<String> = members.iter().map(id).collect();
    let users = graph.list("/v1.0/users").await.unwrap();
    let outsider = users.iter().map(id).find(|user| !members.contains(user)).unwrap();
    (group, members, outsider)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_rule_follows_its_group() {
    let world = world(702).await;
    let (group, members, outsider) = group(&world, "Field staff").await;
    let policies = "oneDriveForBusinessProtectionPolicies";
    let below = policy(&world, policies, json!({ "displayName": "P" })).await;
    let rules = format!("{below}/driveInclusionRules");
    let expression = format!("(memberOf -any (group.id -in ['{group}']))");
    let body = json!({ "driveExpression": expression, "isAutoApplyEnabled": true });
    let rule = format!("{rules}/{}", id(&post(&world, &rules, body).await));
    work(&world).await;
    let units = format!("{below}/driveProtectionUnits");
    let expected: BTreeSet<String> = members.iter().cloned().collect();
    assert_eq!(of_units(&world, &units, "directoryObjectId").await, expected);
    let sources = of_units(&world, &units, "protectionSources").await;
    assert_eq!(sources, BTreeSet::from(["dynamicRule".into()]));

    // One joins, one leaves; one who leaves was added by hand, too.
    let graph = &world.node.graph;
    let by_hand = json!({ "driveProtectionUnits@delta": [{ "directoryObjectId": members[1] }] });
    graph.backup(Method::PATCH, &below, &by_hand).await.unwrap();
    let reference =
        json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/users/{outsider}") });
    let path = format!("/v1.0/groups/{group}/members/$ref");
    graph.call(Method::POST, &path, &reference).await.unwrap().ok().unwrap();
    for member in &members {
        let path = format!("/v1.0/groups/{group}/members/{member}/$ref");
        graph.call(Method::DELETE, &path, &Value::Null).await.unwrap().ok().unwrap();
    }
    world.clock.advance(DAY + Duration::from_secs(1));
    work(&world).await;
    let expected = BTreeSet::from([members[1].clone(), outsider.clone()]);
    assert_eq!(of_units(&world, &units, "directoryObjectId").await, expected);
    let unit = get(&world, &format!("{units}?$filter=directoryObjectId eq '{}'", members[1])).await;
    assert_eq!(unit["value"][0]["protectionSources"], "manual");
    let held = get(&world, &format!("{units}?$filter=directoryObjectId eq '{outsider}'")).await;
    let delta = json!({ "driveProtectionUnits@delta": [{ "@removed": { "reason": "changed" }, "id": id(&held["value"][0]) }] });
    let refused = graph.backup(Method::PATCH, &below, &delta).await.unwrap_err().to_string();
    assert!(refused.contains("ProtectionUnitActionNotAllowed"), "{refused}");

    let reply = post(&world, &format!("{rule}/deleteAndUnprotect"), Value::Null).await;
    assert_eq!(reply["status"], "deleteRequested");
    work(&world).await;
    assert_eq!(
        of_units(&world, &units, "directoryObjectId").await,
        BTreeSet::from([members[1].clone()])
    );
    let gone = graph.backup(Method::GET, &rule, &Value::Null).await.unwrap_err().to_string();
    assert!(gone.contains("ProtectionRuleNotFound"), "{gone}");
    let log = world.node.graph.beta(Method::GET, "/activityLogs", &Value::Null).await.unwrap();
    let kinds: BTreeSet<&str> = log["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["activityType"].as_str().unwrap())
        .collect();
    for kind in [
        "backupPolicyCreated",
        "backupPolicyActivated",
        "dynamicRuleExecution",
        "dynamicRuleDeletion",
    ] {
        assert!(kinds.contains(kind), "{kind} among {kinds:?}");
    }
}

/// What a bulk job with names and ids, some of them wrong, came to.
async fn bulk_outcome(world: &World) -> (Value, BTreeSet<String>) {
    let mut urls = vec![json!("https://contoso.sharepoint.com/sites/none")];
    for number in 0..3 {
        let name = format!("bulk-{number}");
        world.make_site(&name).await.unwrap();
        urls.push(json!(format!("https://contoso.sharepoint.com/sites/{name}/")));
    }
    let mut ids: Vec<Value> =
        (1..=250_u32).map(|n| json!(format!("{n:08x}-0000-4000-8000-000000000001"))).collect();
    ids.push(json!("no id"));
    let below =
        id(&post(world, "/sharePointProtectionPolicies", json!({ "displayName": "P" })).await);
    let below = format!("/sharePointProtectionPolicies/{below}");
    let jobs = format!("{below}/siteProtectionUnitsBulkAdditionJobs");
    let body = json!({ "displayName": "J", "siteWebUrls": urls, "siteIds": ids });
    let job = post(world, &jobs, body).await;
    assert_eq!(job["status"], "active");
    world.settle().await.unwrap();
    let ended = get(world, &format!("{jobs}/{}", id(&job))).await;
    let units = of_units(world, &format!("{below}/siteProtectionUnits"), "siteId").await;
    (ended, units)
}

fn check_bulk(ended: &Value, units: &BTreeSet<String>) {
    assert_eq!(ended["status"], "completedWithErrors");
    let mut failed: Vec<(&str, &str)> = ended["error"]["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| (detail["code"].as_str().unwrap(), detail["target"].as_str().unwrap()))
        .collect();
    failed.sort_unstable();
    assert_eq!(
        failed,
        [
            ("InvalidProtectionUnitId", "no id"),
            ("SiteUrlNotFound", "https://contoso.sharepoint.com/sites/none"),
        ]
    );
    assert_eq!(units.len(), 253);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_job_adds_what_it_can_and_names_the_rest() {
    let world = world(703).await;
    let (ended, units) = bulk_outcome(&world).await;
    check_bulk(&ended, &units);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_job_comes_to_the_same_after_each_failure_and_kill() {
    for fault in [Fault::Fail, Fault::KillBefore, Fault::KillAfter] {
        for at in 1..=3 {
            let mut world = world(704).await;
            world.node.transport_faults.plan(at, fault);
            if fault == Fault::Fail {
                let (ended, units) = bulk_outcome(&world).await;
                check_bulk(&ended, &units);
                continue;
            }
            // The process that was killed is followed by another, which finds the job half done.
            let below = interrupted(&mut world).await;
            let jobs = format!("{below}/siteProtectionUnitsBulkAdditionJobs");
            let listed = get(&world, &jobs).await;
            let units = of_units(&world, &format!("{below}/siteProtectionUnits"), "siteId").await;
            check_bulk(&listed["value"][0], &units);
        }
    }
}

/// Runs into the planned kill, starts another process, and lets it finish; the policy's path.
async fn interrupted(world: &mut World) -> String {
    let faults = world.node.transport_faults.clone();
    tokio::select! {
        _ = bulk_outcome(world) => {}
        () = faults.killed() => {}
    }
    world.restart_node().unwrap();
    world.settle().await.unwrap();
    let policies = get(world, "/sharePointProtectionPolicies").await;
    format!("/sharePointProtectionPolicies/{}", id(&policies["value"][0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_for_the_whole_workload_leaves_out_what_it_is_told() {
    let world = world(705).await;
    let (alone, _, _) = world.make_site("alone").await.unwrap();
    let (out, _, _) = world.make_site("left-out").await.unwrap();
    let own = json!({ "displayName": "Own", "siteProtectionUnits": [{ "siteId": alone }] });
    let own = policy(&world, "sharePointProtectionPolicies", own).await;
    let body = json!({
        "displayName": "All", "protectionMode": "fullServiceBackup",
        "siteExclusionUnits": [{ "siteId": out }],
    });
    let made = world.node.graph.beta(Method::POST, "/sharePointProtectionPolicies", &body).await;
    let made = made.unwrap();
    assert_eq!(made["protectionMode"], "fullServiceBackup");
    let all = format!("/sharePointProtectionPolicies/{}", id(&made));
    post(&world, &format!("/protectionPolicies/{}/activate", id(&made)), Value::Null).await;
    work(&world).await;
    let sites = async |below: &str| {
        of_units(&world, &format!("{below}/siteProtectionUnits"), "siteId").await
    };
    let present: BTreeSet<String> =
        world.node.graph.list("/v1.0/sites/getAllSites").await.unwrap().iter().map(id).collect();
    let covered = sites(&all).await;
    assert!(!covered.contains(&out) && !covered.contains(&alone));
    assert_eq!(sites(&own).await, BTreeSet::from([alone.clone()]));
    let personal = |site: &&String| site.contains("-my.");
    let expected =
        present.iter().filter(|site| !personal(site) && **site != out && **site != alone);
    assert_eq!(covered, expected.cloned().collect());
    // A new site is found within a day; one that is left out from now on leaves.
    let (new, _, _) = world.make_site("new").await.unwrap();
    world.clock.advance(DAY + Duration::from_secs(1));
    work(&world).await;
    assert!(sites(&all).await.contains(&new));
    let delta = json!({ "siteExclusionUnits@delta": [{ "siteId": new }] });
    world.node.graph.beta(Method::PATCH, &all, &delta).await.unwrap();
    work(&world).await;
    assert!(!sites(&all).await.contains(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_restore_finds_sites_by_name_even_when_they_are_gone() {
    let world = world(706).await;
    let kept = world.protected("kept").await.unwrap();
    let gone = world.protected("gone").await.unwrap();
    world
        .node
        .graph
        .call(Method::DELETE, &format!("/beta/sites/{}", gone.site), &Value::Null)
        .await
        .unwrap();
    let session = id(&post(&world, "/sharePointRestoreSessions", json!({})).await);
    let below = format!("/sharePointRestoreSessions/{session}");
    let requests = format!("{below}/siteRestoreArtifactsBulkAdditionRequests");
    let body = json!({
        "displayName": "R", "destinationType": "new", "restorePointPreference": "latest",
        "siteWebUrls": [
            "https://contoso.sharepoint.com/sites/KEPT", "https://contoso.sharepoint.com/sites/gone",
            "https://contoso.sharepoint.com/sites/never",
        ],
        "siteIds": [kept.site],
        "protectionTimePeriod": { "startDateTime": "2000-01-01T00:00:00Z" },
    });
    let request = post(&world, &requests, body).await;
    assert_eq!(request["siteWebUrls"], json!([]));
    // Activated before the names are resolved: it waits for them.
    post(&world, &format!("/restoreSessions/{session}/activate"), Value::Null).await;
    world.settle().await.unwrap();
    let request = get(&world, &format!("{requests}/{}", id(&request))).await;
    assert_eq!(request["status"], "completedWithErrors");
    assert_eq!(request["error"]["code"], "BulkRestoreArtifactsNotFound");
    assert_eq!(request["error"]["details"].as_array().unwrap().len(), 1);
    let ended = get(&world, &below).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["restoreJobType"], "bulk");
    assert_eq!(ended["restoreSessionArtifactCount"]["completed"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_window_waits_and_a_longer_one_does_not() {
    let world = world(707).await;
    let site = world.protected("window").await.unwrap();
    let policies = get(&world, "/protectionPolicies").await;
    let below = format!("/sharePointProtectionPolicies/{}", id(&policies["value"][0]));
    let window = async |period: &str| {
        let body = json!({ "retentionSettings": [{ "interval": "R/P1W", "period": period }] });
        world.node.graph.backup(Method::PATCH, &below, &body).await.unwrap();
        work(&world).await;
    };
    let made = world.latest(site.unit).await.unwrap().unwrap();
    let expiry = async || {
        let point = world.latest(site.unit).await.unwrap().unwrap();
        let point = get(&world, &format!("/restorePoints/{}", point.id)).await;
        let expiry: holdfast_domain::Timestamp =
            point["expirationDateTime"].as_str().unwrap().parse().unwrap();
        expiry.since(made.protection_date_time).as_secs() / DAY.as_secs()
    };
    assert_eq!(expiry().await, 365);
    window("P730D").await;
    assert_eq!(expiry().await, 730);
    window("P180D").await;
    assert_eq!(expiry().await, 730, "nothing is destroyed before the grace ends");
    world.clock.advance(31 * DAY);
    work(&world).await;
    assert_eq!(expiry().await, 180);
    assert!(world.clock.now() > made.protection_date_time);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_changes_its_policy_loses_nothing_before_its_grace() {
    let world = world(708).await;
    let site = world.protected("moving").await.unwrap();
    let policies = get(&world, "/protectionPolicies").await;
    let first = format!("/sharePointProtectionPolicies/{}", id(&policies["value"][0]));
    let patch = async |path: &str, body: Value| {
        world.node.graph.backup(Method::PATCH, path, &body).await.unwrap();
        work(&world).await;
    };
    let windows =
        |period: &str| json!({ "retentionSettings": [{ "interval": "R/P1W", "period": period }] });
    let move_to = async |from: &str, to: &str| {
        let unit = site.unit.to_string();
        let leaves = json!([{ "@removed": { "reason": "changed" }, "id": unit }]);
        patch(from, json!({ "siteProtectionUnits@delta": leaves })).await;
        patch(to, json!({ "siteProtectionUnits@delta": [{ "siteId": site.site }] })).await;
    };
    let made = world.latest(site.unit).await.unwrap().unwrap();
    let expiry = async || {
        let tenant = world.tenant.facts().tenant_id;
        let mut tx = world.node.store.read().await.unwrap();
        let point = tx.restore_point(tenant, made.id).await.unwrap().unwrap();
        point.expires_at.since(made.protection_date_time).as_secs() / DAY.as_secs()
    };
    patch(&first, windows("P730D")).await;
    let body = json!({ "displayName": "second", "retentionSettings": windows("P365D")["retentionSettings"] });
    let second = policy(&world, "sharePointProtectionPolicies", body).await;
    move_to(&first, &second).await;
    assert_eq!(expiry().await, 730, "the grace has begun");
    // Said again, or on its way elsewhere, the policy's window destroys nothing earlier.
    patch(&second, windows("P365D")).await;
    assert_eq!(expiry().await, 730);
    world.clock.advance(20 * DAY);
    patch(&second, windows("P180D")).await;
    world.clock.advance(11 * DAY);
    work(&world).await;
    assert_eq!(expiry().await, 730, "asked for something else, the grace began anew");
    world.clock.advance(20 * DAY);
    work(&world).await;
    assert_eq!(expiry().await, 180);
    // What it joins with a longer window holds at once; what waited in a policy that it leaves does not come.
    move_to(&second, &first).await;
    assert_eq!(expiry().await, 730);
    patch(&first, windows("P90D")).await;
    move_to(&first, &second).await;
    let unit = get(&world, &format!("/protectionUnits/{}", site.unit)).await;
    assert_eq!(unit["status"], "protected");
    world.clock.advance(31 * DAY);
    work(&world).await;
    assert_eq!(expiry().await, 180);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_restore_means_the_site_that_has_the_address_today() {
    let world = world(709).await;
    let old = world.protected("address").await.unwrap();
    let path = format!("/beta/sites/{}", old.site);
    world.node.graph.call(Method::DELETE, &path, &Value::Null).await.unwrap().ok().unwrap();
    let new = world.protected("address").await.unwrap();
    assert_ne!(old.unit, new.unit);
    for (destination, url) in [("inPlace", "sites/address"), ("new", "sites/ADDRESS/")] {
        let session = id(&post(&world, "/sharePointRestoreSessions", json!({})).await);
        let below = format!("/sharePointRestoreSessions/{session}");
        let body = json!({
            "displayName": "R", "destinationType": destination,
            "siteWebUrls": [format!("https://contoso.sharepoint.com/{url}")],
            "protectionTimePeriod": { "startDateTime": "2000-01-01T00:00:00Z" },
        });
        post(&world, &format!("{below}/siteRestoreArtifactsBulkAdditionRequests"), body).await;
        world.node.engine.run_until_idle().await.unwrap();
        let found = get(&world, &format!("{below}/siteRestoreArtifacts")).await;
        let point = found["value"][0]["restorePoint"]["id"].as_str().unwrap();
        let path = format!("/restorePoints/{point}/protectionUnit");
        assert_eq!(id(&get(&world, &path).await), new.unit.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_expired_in_a_draft_is_not_restored() {
    let world = world(710).await;
    let site = world.protected("late").await.unwrap();
    let point = world.latest(site.unit).await.unwrap().unwrap();
    let body = json!({ "siteRestoreArtifacts": [
        { "restorePoint": { "id": point.id.to_string() }, "destinationType": "inPlace" },
    ] });
    let session = id(&post(&world, "/sharePointRestoreSessions", body).await);
    world.clock.advance(366 * DAY);
    post(&world, &format!("/restoreSessions/{session}/activate"), Value::Null).await;
    work(&world).await;
    let below = format!("/sharePointRestoreSessions/{session}");
    let artifacts = get(&world, &format!("{below}/siteRestoreArtifacts")).await;
    assert_eq!(artifacts["value"][0]["status"], "failed");
    assert_eq!(artifacts["value"][0]["error"]["code"], "InvalidRestoreTime");
    let ended = get(&world, &below).await;
    assert_eq!(ended["restoreSessionArtifactCount"]["failed"], 1);
    assert_eq!(ended["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_evaluated_is_in_the_activity_log() {
    let world = world(711).await;
    let (group, _, _) = group(&world, "Field staff").await;
    let policies = "oneDriveForBusinessProtectionPolicies";
    let below = policy(&world, policies, json!({ "displayName": "P" })).await;
    let expression = format!("(memberOf -any (group.id -in ['{group}']))");
    let body = json!({ "driveExpression": expression, "isAutoApplyEnabled": true });
    let rule = id(&post(&world, &format!("{below}/driveInclusionRules"), body).await);
    // A rule of an older version, say.
    let (tenant, mut tx) =
        (world.tenant.facts().tenant_id, world.node.store.begin().await.unwrap());
    let rule = rule.parse().unwrap();
    let mut row = find::<ProtectionRule>(&mut *tx, tenant, &rule).await.unwrap().unwrap();
    row.value.expression = "of another age".to_owned();
    tx.put(&row.value, row.version).await.unwrap();
    tx.commit().await.unwrap();
    work(&world).await;
    let path = "/activityLogs?$filter=activityType eq 'dynamicRuleExecution'";
    let log = world.node.graph.beta(Method::GET, path, &Value::Null).await.unwrap();
    let [entry] = &log["value"].as_array().unwrap()[..] else { panic!("{log}") };
    assert_eq!(entry["resultStatus"], "failed");
    assert_eq!(entry["error"]["code"], "InvalidRuleExpression");
    assert_eq!(entry["performedBy"], "system");
}
