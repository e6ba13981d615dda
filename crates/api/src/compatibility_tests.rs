//! `COMPATIBILITY.md` is made here, from the routes and the contract. `HOLDFAST_BLESS=1` rewrites it.

use std::fmt::Write;
use std::path::PathBuf;

use holdfast_graph_model::{Operation, Version, operations};

use crate::routes::GRAPH;

const HEAD: &str = "# Compatibility with Microsoft 365 Backup Storage

Which operations of Microsoft Graph's `/solutions/backupRestore` Holdfast serves, and where it answers otherwise than Microsoft's
service. The table is made by a test (`crates/api/src/compatibility_tests.rs`); the contract it walks is `spec/operations.json`.

## Different, and why

| Ours | Why |
|---|---|
| up to 100 active policies for each workload | the product since May 2025; an older error page says one |
| lists of restore points page and sort beyond five | `$top`, `$orderby` and nextLinks go beyond the published rules without breaking clients that follow them |
| every point carries `fastRestore` | all of ours restore directly |
| `status` in the update of a restore session is a request | `docs/decisions/0002-update-restore-session.md` |
| `Prefer: include-unknown-enum-members` decides every enum | as documented; some published examples break the rule |
| `enable` bills nobody; `appOwnerTenantId` is only recorded | there is no billing |
| an added unit of an inactive policy reads `unprotected` | published examples show `protectRequested`, which nothing would end |
| `retentionSettings` can be changed in every state of a policy, and a unit that comes from a policy with a longer window keeps it for 30 days | the product asks for an active policy; nothing is destroyed before its grace either way |
| active policies go on while the service is locked | ours bills nobody; stopping backups would harm the tenant only |
| names of a bulk restore request mean what the tenant has today, then what was protected under that name last | nothing is said about an address that passed from one site to another |
| an expired restore point is gone at once, whatever collection it is in | what cannot be restored is not shown |
| dynamic rules for sites are accepted, unless `strict` is configured | an extension: Microsoft's service has static site rules only |
| `reports/getStatisticsByWorkload` takes `sharePoint`, `oneDriveForBusiness` or `exchange` and gives `backupCountStatistics` | only permission data names it |
| `restoreSessions/{id}/deactivate` is refused | only permission data names it, and there is no cancel |
| an application that is registered but does not control protection may only read; one that is not registered is held to that only with `strict` | `docs/decisions/0005-unregistered-applications.md` |
| `billingPolicyId` is recorded and has no effect; policies have none | there is no billing |
| a granular artifact without `destinationType` goes to a new folder | nothing that is there may be touched without a wish |
| browsing before a session is `created`, or when it failed: 409 `BrowseSessionNotReady` | the pages say nothing |
| `browseLocationItemKey` alone says where to look; `browseResourceType` is only checked | the pages give either the place's kind or that of what is in it |
| a `filter` searches everything below the place, and below the whole site without one | the product searches at a library's root only |
| any restore point can be browsed | the product browses fast ones only |
| browsing does not tell who made or changed an item | restore points do not keep it yet |
| a granular artifact may be a library or a whole site; `restoredItemPath` of a site with several libraries is `/` | an extension; the site itself receives everything |
| the role of notification recipients can be set, unless `strict` is configured; `allAdmins` are the holders of the roles that administer backup here | only Microsoft's own admin centre sets it there |
| `@holdfast.keepItemPermissions` in a new granular restore session | an extension: restored items keep the permissions that they had |
| `entraProtectionPolicies` is always empty | nothing describes such policies |
| `$filter` lacks `round`, `floor`, `ceiling`, `divby`, the functions of places, and decimals; a list of properties that cannot be asked for is in `crates/api/src/filter_tests.rs` | the real service says nothing about what it takes; what is refused is named |
| `any` and `all` find the names of bulk jobs and bulk requests, which are shown empty, as published | to find the request that named something |
| `$search` finds words in the names of policies, and of units for users | the metadata offers it, no page describes it |
| `$batch` reaches the backup API, and in `dev` the embedded tenant; a read in it sees the writes before it, and none after | elsewhere other paths of Microsoft Graph are not ours: their parts are 404 |
| `$metadata` of beta is put together from the generated clients | `spec/api.md` says what is assumed in it |

## Operations

*served*; *405*: only the metadata knows it, and the answer says what to use instead.

| Method | Path | Versions | |
|---|---|---|---|
";

fn verdict(operation: &Operation) -> &'static str {
    if GRAPH.iter().any(|route| route.operation == operation.id) { "served" } else { "405" }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut counts = [("served", 0), ("405", 0)];
    for operation in operations().all() {
        let verdict = verdict(operation);
        for (name, count) in &mut counts {
            *count += i32::from(*name == verdict);
        }
        let path = operation.path.trim_start_matches("/solutions/backupRestore");
        let versions = [Version::V1, Version::Beta]
            .into_iter()
            .filter(|version| operation.is_in(*version))
            .map(Version::name);
        let versions = versions.collect::<Vec<_>>().join(", ");
        let path = if path.is_empty() { "/" } else { path };
        writeln!(text, "| {} | `{path}` | {} | {verdict} |", operation.method, versions)
            .expect("a text grows");
    }
    let [(_, served), (_, refused)] = counts;
    writeln!(text, "\n{served} served, {refused} answered 405.").expect("a text grows");
    text
}

#[test]
fn the_document_is_as_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../COMPATIBILITY.md");
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::write(&path, document()).expect("the file can be written");
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        document(),
        "HOLDFAST_BLESS=1 rewrites it"
    );
}
