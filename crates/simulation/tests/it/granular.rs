//! Single items from a restore point, to where they were or into a dated folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::{Clock, RestorePoint, Workload};
use holdfast_simulation::state::Entry;
use holdfast_simulation::truth::equal;
use holdfast_simulation::wires::Meanwhile;
use holdfast_simulation::{Protected, SiteState, World, WorldOptions};
use holdfast_testkit::Fault;
use serde_json::{Value, json};

use crate::common::{folder, id, plain, put, true_point};

/// More calls than a small restore makes.
const MOST_CALLS: u64 = 400;

struct Case {
    world: World,
    site: Protected,
    workload: Workload,
    point: RestorePoint,
    state: SiteState,
    session: String,
    /// The name of the one library.
    library: &'static str,
}

/// What a session did with one artifact.
#[derive(Debug)]
struct Outcome {
    status: String,
    artifact: Value,
}

impl Case {
    async fn new(mut world: World, site: Protected, workload: Workload) -> Self {
        let reports = folder(&world, &site, &site.root, "Reports").await;
        let year = folder(&world, &site, &reports, "2025").await;
        folder(&world, &site, &year, "empty").await;
        put(&world, &site, &year, "Q1.csv", b"first quarter").await;
        put(&world, &site, &year, "Q2.csv", &[2; 700_000]).await;
        put(&world, &site, &reports, "all.txt", b"all of it").await;
        put(&world, &site, &site.root, "Plan.docx", b"the plan").await;
        let (point, state) = true_point(&mut world, &site).await;
        let session = world.browse(&point).await.unwrap();
        let library = if workload == Workload::OneDrive { "OneDrive" } else { "Documents" };
        Self { world, site, workload, point, state, session, library }
    }

    async fn of_a_site(seed: u64) -> Self {
        let (world, site) = plain(seed).await;
        Self::new(world, site, Workload::SharePoint).await
    }

    async fn of_a_drive(seed: u64) -> Self {
        let world = World::new(WorldOptions::new(seed)).await.unwrap();
        let user = id(&world.node.graph.list("/v1.0/users").await.unwrap()[0]);
        let drive = world.protect_user(Workload::OneDrive, &user).await.unwrap();
        world.settle().await.unwrap();
        Self::new(world, drive, Workload::OneDrive).await
    }

    async fn start(&self, paths: &[&str], destination: &str, extra: &Value) -> String {
        let mut keys = Vec::new();
        for path in paths {
            keys.push(self.world.key_of(&self.session, path).await.unwrap());
        }
        self.world
            .start_restore_of_items(&self.point, &self.session, &keys, destination, extra)
            .await
            .unwrap()
    }

    async fn outcome(&self, session: &str) -> Outcome {
        let found = self.world.items_session(self.workload, session).await.unwrap();
        Outcome {
            status: found["status"].as_str().unwrap().to_owned(),
            artifact: found["artifacts"][0].clone(),
        }
    }

    async fn restore(&self, paths: &[&str], destination: &str, extra: &Value) -> Outcome {
        let session = self.start(paths, destination, extra).await;
        self.world.settle().await.unwrap();
        self.outcome(&session).await
    }

    async fn live(&mut self) -> SiteState {
        self.world.read_site(&self.site.site).await.unwrap().without_ids()
    }

    async fn id_of(&mut self, path: &str) -> String {
        let live = self.world.read_site(&self.site.site).await.unwrap();
        live.entries[&format!("{}/{path}", self.library)].id.clone()
    }

    async fn delete(&mut self, path: &str) {
        let item = self.id_of(path).await;
        self.world.node.graph.delete(&self.site.drive, &item).await.unwrap();
    }

    /// The point's entries at and below a path, relative to it.
    fn stored(&self, path: &str) -> BTreeMap<String, Entry> {
        below(&self.state.without_ids(), &format!("{}/{path}", self.library))
    }

    async fn check_point_after(&mut self) {
        let (point, _) = true_point(&mut self.world, &self.site).await;
        assert!(point.id > self.point.id);
    }
}

fn below(state: &SiteState, path: &str) -> BTreeMap<String, Entry> {
    state
        .entries
        .iter()
        .filter_map(|(at, entry)| {
            let rest = at.strip_prefix(path)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (rest.to_owned(), entry.clone()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_back_to_its_folder_which_is_made_again() {
    for mut case in [Case::of_a_site(801).await, Case::of_a_drive(802).await] {
        let library = case.library;
        case.delete("Reports").await;
        case.delete("Plan.docx").await;
        let path = format!("{library}/Reports/2025/Q1.csv");
        let done = case.restore(&[&path], "inPlace", &json!({})).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        let live = case.live().await;
        let there = below(&live, &format!("{library}/Reports"));
        let wanted: BTreeMap<String, Entry> = case
            .stored("Reports")
            .into_iter()
            .filter(|(path, _)| ["", "/2025", "/2025/Q1.csv"].contains(&path.as_str()))
            .collect();
        assert_eq!(there, wanted);
        assert!(!live.entries.contains_key(&format!("{library}/Plan.docx")), "nothing else comes");
        let artifact = &done.artifact;
        assert_eq!(artifact["restoredItemPath"], format!("{library}/Reports/2025"));
        assert_eq!(artifact["restorePointDateTime"], case.point.protection_date_time.to_string());
        let item = case.id_of("Reports/2025/Q1.csv").await;
        let graph = &case.world.node.graph;
        let item = graph
            .call(
                http::Method::GET,
                &format!("/v1.0/drives/{}/items/{item}", case.site.drive),
                &Value::Null,
            )
            .await
            .unwrap()
            .ok()
            .unwrap();
        assert_eq!(artifact["restoredItemWebUrl"], item["webUrl"]);
        assert_eq!(artifact["webUrl"], item["webUrl"]);
        // The key is that of the item as it is now: a later point's session finds it so.
        let key = artifact["restoredItemKey"].as_str().unwrap().to_owned();
        case.check_point_after().await;
        let latest = case.world.latest(case.site.unit).await.unwrap().unwrap();
        let session = case.world.browse(&latest).await.unwrap();
        assert_eq!(case.world.key_of(&session, &path).await.unwrap(), key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_completed_and_nothing_in_it_is_lost() {
    let mut case = Case::of_a_site(803).await;
    case.delete("Reports/2025/Q1.csv").await;
    case.delete("Reports/2025/empty").await;
    let year = case.id_of("Reports/2025").await;
    put(&case.world, &case.site, &year, "Q3.csv", b"newer").await;
    let done = case.restore(&["Documents/Reports"], "inPlace", &json!({})).await;
    assert_eq!(done.status, "completed", "{done:#?}");
    let live = case.live().await;
    let mut there = below(&live, "Documents/Reports");
    assert!(there.remove("/2025/Q3.csv").is_some(), "what the point does not have stays");
    for (path, entry) in case.stored("Reports") {
        let found = &there[&path];
        assert_eq!(found.content, entry.content, "{path}");
        if entry.content.is_some() || path == "/2025/empty" {
            assert_eq!(found, &entry, "{path}");
        }
    }
    assert_eq!(case.id_of("Reports/2025").await, year, "an existing folder is kept");
    // Everything is as the point has it: again, there is nothing to do.
    let done = case.restore(&["Documents/Reports"], "inPlace", &json!({})).await;
    assert_eq!(done.status, "completed");
    assert_eq!(case.live().await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_decides_by_the_sessions_wish() {
    let plan = "Documents/Plan.docx";
    let behave = |how: &str| json!({"@microsoft.graph.conflictBehavior": how});
    for how in ["fail", "replace", "rename"] {
        let mut case = Case::of_a_site(804).await;
        put(&case.world, &case.site, &case.site.root.clone(), "Plan.docx", b"changed").await;
        let before = case.live().await;
        let points = case.world.latest(case.site.unit).await.unwrap().unwrap().id;
        let extra = if how == "fail" { json!({}) } else { behave(how) };
        let done = case.restore(&[plan], "inPlace", &extra).await;
        let live = case.live().await;
        let wanted = &case.stored("Plan.docx")[""];
        match how {
            "fail" => {
                assert_eq!(done.status, "failed", "{done:#?}");
                let error = &done.artifact["error"];
                assert_eq!(error["details"][0]["code"], "nameAlreadyExists", "{error}");
                assert_eq!(error["details"][0]["target"], plan);
                assert_eq!(live, before);
            }
            "replace" => {
                assert_eq!(done.status, "completed", "{done:#?}");
                assert_eq!(&live.entries[plan], wanted);
                // What was overwritten is in a point.
                let saved = case.world.latest(case.site.unit).await.unwrap().unwrap();
                assert!(saved.id > points);
                equal(
                    "the saved point",
                    &case.world.read_point(&saved).await.unwrap().without_ids(),
                    &before,
                )
                .unwrap();
            }
            _ => {
                assert_eq!(done.status, "completed", "{done:#?}");
                assert_eq!(live.entries[plan], before.entries[plan]);
                assert_eq!(&live.entries["Documents/Plan 1.docx"], wanted);
                let url = done.artifact["restoredItemWebUrl"].as_str().unwrap();
                assert!(url.ends_with("/Plan%201.docx"), "{url}");
                // The copy that is there already will do.
                let again = case.restore(&[plan], "inPlace", &behave(how)).await;
                assert_eq!(again.status, "completed");
                assert_eq!(case.live().await, live);
            }
        }
        case.check_point_after().await;
    }
}

/// Somebody makes a file of the restored one's name, at each request that the restore makes. Theirs is kept whenever it is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_makes_meanwhile_is_never_overwritten() {
    for (seed, how) in [(820, "fail"), (821, "rename")] {
        for file in ["Plan.docx", "nothing.txt"] {
            let wire = Arc::new(Meanwhile::default());
            let mut options = WorldOptions::new(seed);
            options.wire = Some(wire.clone());
            let world = World::new(options).await.unwrap();
            let site = world.protected("case").await.unwrap();
            put(&world, &site, &site.root, "nothing.txt", b"").await;
            let mut case = Case::new(world, site, Workload::SharePoint).await;
            let somebody = Arc::new(case.world.another_node().unwrap());
            let (path, stem) = (format!("Documents/{file}"), file.split('.').next().unwrap());
            let mut interruptions = 0;
            for at in 1.. {
                let live = case.live().await;
                let ours = format!("Documents/{stem}");
                for name in live.entries.keys().filter(|name| name.starts_with(&ours)) {
                    case.delete(name.trim_start_matches("Documents/")).await;
                }
                let (node, site) = (somebody.clone(), case.site.clone());
                let deed = async move {
                    let put = node.graph.put_file(&site.drive, &site.root, file, "theirs".into());
                    put.await.unwrap();
                };
                wire.plan(at, Box::new(move || Box::pin(deed)));
                let extra = json!({"@microsoft.graph.conflictBehavior": how});
                let done = case.restore(&[&path], "inPlace", &extra).await;
                if !wire.is_done() {
                    assert_eq!(done.status, "completed", "{done:#?}");
                    break;
                }
                interruptions += 1;
                let live = case.live().await;
                let kept = live.entries[&path].content.as_ref().unwrap().0;
                assert_eq!(kept, 6, "{how} {file}, at request {at}: {done:#?}");
                let wanted = &case.stored(file)[""].content;
                let is_there = live
                    .entries
                    .iter()
                    .any(|(name, entry)| name.starts_with(&ours) && entry.content == *wanted);
                // What replaced ours was made after ours: seen by the last look, or later.
                let name = done.artifact["restoredItemWebUrl"].as_str().unwrap();
                let was_replaced = name.ends_with(&format!("/{file}"));
                let code = &done.artifact["error"]["details"][0]["code"];
                match (how, done.status.as_str()) {
                    ("rename", "completed") => assert!(is_there || was_replaced, "{done:#?}"),
                    ("fail", "completed") => assert!(was_replaced, "{done:#?}"),
                    ("fail", "failed") if code == "nameAlreadyExists" => {}
                    (_, status) => {
                        assert_eq!((status, code), ("failed", &json!("notEqual")), "{done:#?}");
                    }
                }
            }
            assert!(interruptions > 5, "{interruptions}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_files_in_each_others_way() {
    let mut case = Case::of_a_site(805).await;
    // A file has the folder's name, and one file in a folder differs.
    case.delete("Reports").await;
    put(&case.world, &case.site, &case.site.root.clone(), "Reports", b"a file").await;
    let before = case.live().await;
    for how in ["fail", "replace"] {
        let extra = json!({"@microsoft.graph.conflictBehavior": how});
        let done = case.restore(&["Documents/Reports"], "inPlace", &extra).await;
        assert_eq!(done.status, "failed", "{how} {done:#?}");
        assert_eq!(case.live().await, before, "{how}");
    }
    let extra = json!({"@microsoft.graph.conflictBehavior": "rename"});
    let done = case.restore(&["Documents/Reports"], "inPlace", &extra).await;
    assert_eq!(done.status, "completed", "{done:#?}");
    let live = case.live().await;
    assert_eq!(below(&live, "Documents/Reports 1"), case.stored("Reports"));
    assert_eq!(live.entries["Documents/Reports"], before.entries["Documents/Reports"]);

    let mut case = Case::of_a_site(806).await;
    let year = case.id_of("Reports/2025").await;
    put(&case.world, &case.site, &year, "Q1.csv", b"changed").await;
    case.delete("Reports/all.txt").await;
    let done = case.restore(&["Documents/Reports"], "inPlace", &json!({})).await;
    assert_eq!(done.status, "completedWithError", "{done:#?}");
    assert_eq!(done.artifact["status"], "succeeded");
    let details = done.artifact["error"]["details"].as_array().unwrap();
    assert_eq!(details.len(), 1);
    assert_eq!(details[0]["target"], "Documents/Reports/2025/Q1.csv");
    let live = case.live().await;
    assert_eq!(live.entries["Documents/Reports/all.txt"], case.stored("Reports")["/all.txt"]);
    assert_eq!(live.entries["Documents/Reports/2025/Q1.csv"].content.as_ref().unwrap().0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dated_folder_receives_all_of_a_session() {
    for mut case in [Case::of_a_site(807).await, Case::of_a_drive(808).await] {
        let library = case.library;
        let before = case.live().await;
        let other = folder(&case.world, &case.site, &case.site.root.clone(), "Other").await;
        put(&case.world, &case.site, &other, "Plan.docx", b"another plan").await;
        let (point, _) = true_point(&mut case.world, &case.site).await;
        case.point = point;
        case.session = case.world.browse(&case.point).await.unwrap();
        case.state = case.world.read_site(&case.site.site).await.unwrap();
        let paths = ["Plan.docx", "Reports/2025", "Other/Plan.docx"]
            .map(|path| format!("{library}/{path}"));
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let now = case.world.clock.now().to_string();
        let done = case.restore(&paths, "new", &json!({})).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        let live = case.live().await;
        let dated =
            format!("{library}/Restored Items {} {}", &now[..10], now[11..19].replace(':', "-"));
        assert_eq!(done.artifact["restoredItemPath"], dated);
        let there = below(&live, &dated);
        assert_eq!(there["/Plan.docx"], case.stored("Plan.docx")[""]);
        assert_eq!(there["/Plan 1.docx"], case.stored("Other/Plan.docx")[""]);
        assert_eq!(below(&live, &format!("{dated}/2025")), case.stored("Reports/2025"));
        assert_eq!(there.len(), 3 + case.stored("Reports/2025").len(), "{:?}", there.keys());
        for (path, entry) in &before.entries {
            assert_eq!(live.entries.get(path), Some(entry), "{path} is not touched");
        }
        case.check_point_after().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_and_a_whole_site() {
    let mut case = Case::of_a_site(809).await;
    case.delete("Reports/2025").await;
    case.delete("Plan.docx").await;
    for path in ["Documents", ""] {
        let done = case.restore(&[path], "new", &json!({})).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        let live = case.live().await;
        let dated = live
            .entries
            .keys()
            .rfind(|path| {
                path.starts_with("Documents/Restored Items") && path.matches('/').count() == 1
            })
            .unwrap();
        let mut there = below(&live, &format!("{dated}/Documents"));
        there.remove("").unwrap();
        assert_eq!(there, without_library(&case), "{path}");
        case.world.clock.advance(Duration::from_secs(5));
    }
    for path in ["Documents", ""] {
        let done = case.restore(&[path], "inPlace", &json!({})).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        let live = case.live().await;
        for (path, entry) in &case.state.without_ids().entries {
            assert_eq!(live.entries[path].content, entry.content, "{path}");
        }
        case.delete("Reports").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_two_libraries_receives_everything_itself() {
    let (world, site) = plain(822).await;
    let of_site = format!("/v1.0/sites/{}", site.site);
    let library = json!({"displayName": "Archive", "list": {"template": "documentLibrary"}});
    let lists = format!("{of_site}/lists");
    let made = world.node.graph.call(http::Method::POST, &lists, &library).await.unwrap();
    made.ok().unwrap();
    let case = Case::new(world, site, Workload::SharePoint).await;
    let live = case.world.node.graph.call(http::Method::GET, &of_site, &Value::Null).await;
    let live = live.unwrap().ok().unwrap();
    for destination in ["inPlace", "new"] {
        let done = case.restore(&[""], destination, &json!({})).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        assert_eq!(done.artifact["restoredItemPath"], "/", "{destination}");
        assert_eq!(done.artifact["restoredItemWebUrl"], live["webUrl"], "{destination}");
    }
}

fn without_library(case: &Case) -> BTreeMap<String, Entry> {
    let state = case.state.without_ids();
    let entries = state.entries.into_iter();
    entries.map(|(path, entry)| (path.replacen("Documents", "", 1), entry)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_take_the_permissions_of_their_folder_unless_they_shall_keep_theirs() {
    let (world, site) = plain(810).await;
    let user = id(&world.node.graph.list("/v1.0/users").await.unwrap()[3]);
    let secret = put(&world, &site, &site.root, "secret.txt", b"for one reader").await;
    world.node.graph.invite(&site.drive, &secret, &user, "read").await.unwrap();
    let mut case = Case::new(world, site, Workload::SharePoint).await;
    let stored = case.stored("secret.txt")[""].clone();
    assert_eq!(stored.permissions.len(), 1);
    case.delete("secret.txt").await;
    for (extra, kept) in
        [(json!({}), false), (json!({"@holdfast.keepItemPermissions": true}), true)]
    {
        let done = case.restore(&["Documents/secret.txt"], "inPlace", &extra).await;
        assert_eq!(done.status, "completed", "{done:#?}");
        let mut found = case.live().await.entries["Documents/secret.txt"].clone();
        assert_eq!(found.permissions.len(), usize::from(kept));
        found.permissions.clone_from(&stored.permissions);
        assert_eq!(found, stored);
        case.delete("secret.txt").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_and_what_has_expired() {
    let mut case = Case::of_a_site(811).await;
    // Scheduled in time, the session's rows wait for it.
    let session = case.start(&["Documents/Plan.docx"], "new", &json!({})).await;
    case.world.clock.advance(Duration::from_secs(80 * 3600));
    case.world.settle().await.unwrap();
    assert_eq!(case.outcome(&session).await.status, "completed");
    let refused = case
        .world
        .start_restore_of_items(&case.point, &case.session, &["x".to_owned()], "new", &json!({}))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("InvalidArtifactRequest"), "{refused}");

    case.session = case.world.browse(&case.point).await.unwrap();
    let graph = &case.world.node.graph;
    let site = format!("/beta/sites/{}", case.site.site);
    graph.call(http::Method::DELETE, &site, &Value::Null).await.unwrap().ok().unwrap();
    let done = case.restore(&["Documents/Plan.docx"], "inPlace", &json!({})).await;
    assert_eq!(done.status, "failed");
    assert_eq!(done.artifact["error"]["code"], "ArtifactCannotBeRestored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_or_a_failure_at_any_request_changes_nothing_in_the_end() {
    let rename = json!({"@microsoft.graph.conflictBehavior": "rename"});
    for (destination, extra) in [("inPlace", json!({})), ("inPlace", rename), ("new", json!({}))] {
        let mut case = Case::of_a_site(812).await;
        if extra != json!({}) {
            let year = case.id_of("Reports/2025").await;
            put(&case.world, &case.site, &year, "Q1.csv", b"changed").await;
        }
        for fault in [Fault::Fail, Fault::KillBefore, Fault::KillAfter] {
            let mut at = 1;
            loop {
                assert!(at < MOST_CALLS);
                let mut kept = 0;
                if destination == "inPlace" && extra == json!({}) {
                    case.delete("Reports").await;
                } else {
                    kept = case.live().await.entries.len();
                }
                let session = case.start(&["Documents/Reports"], destination, &extra).await;
                case.world.node.transport_faults.plan(at, fault);
                let died = case.world.node.settle_or_die(&case.world.clock).await.unwrap();
                let struck = case.world.node.transport_faults.has_struck();
                case.world.node.transport_faults.reset();
                if died {
                    case.world.restart_node().unwrap();
                    case.world.clock.advance(Duration::from_secs(61));
                    case.world.settle().await.unwrap();
                }
                let done = case.outcome(&session).await;
                assert_eq!(done.status, "completed", "{fault:?} {at} {done:#?}");
                let receiver = done.artifact["restoredItemPath"].as_str().unwrap();
                let url = done.artifact["restoredItemWebUrl"].as_str().unwrap();
                let name = url.rsplit('/').next().unwrap().replace("%20", " ");
                let live = case.live().await;
                let there = below(&live, &format!("{receiver}/{name}"));
                assert_eq!(there, case.stored("Reports"), "{fault:?} {at}");
                if kept > 0 {
                    let made = usize::from(destination == "new");
                    assert_eq!(live.entries.len(), kept + made + there.len(), "{fault:?} {at}");
                }
                case.world.clock.advance(Duration::from_secs(2));
                if !struck {
                    break;
                }
                at += 3;
            }
        }
    }
}
