//! OneDrive: the drive of a user, while there is a user and after.

use std::time::Duration;

use holdfast_domain::{PolicyState, UnitState, Workload};
use holdfast_simulation::truth::{check_read_only, equal};
use holdfast_simulation::{Protected, SiteState, World, WorldOptions};
use http::Method;
use serde_json::{Value, json};

use crate::common::{folder, id, put, roll_back, true_point};

/// A world, a user's id, and the user's drive, protected, with its first point.
async fn drive(seed: u64) -> (World, String, Protected) {
    let world = World::new(WorldOptions::new(seed)).await.unwrap();
    let user = id(&world.node.graph.list("/v1.0/users").await.unwrap()[0]);
    let drive = world.protect_user(Workload::OneDrive, &user).await.unwrap();
    world.settle().await.unwrap();
    (world, user, drive)
}

/// The same with its library under the name that a site's has.
fn in_documents(state: &SiteState) -> SiteState {
    SiteState {
        libraries: ["Documents".to_owned()].into(),
        entries: state
            .entries
            .iter()
            .map(|(path, entry)| (path.replacen("OneDrive/", "Documents/", 1), entry.clone()))
            .collect(),
    }
}

async fn damage(world: &World, drive: &Protected) {
    let graph = &world.node.graph;
    let listed = graph
        .list(&format!("/v1.0/drives/{}/items/{}/children", drive.drive, drive.root))
        .await
        .unwrap();
    assert!(listed.len() >= 2, "the tenant's people have something in their drives");
    for item in listed {
        if item["file"].is_object() {
            let name = item["name"].as_str().unwrap();
            put(world, drive, &drive.root, name, b"encrypted").await;
            graph.patch(&drive.drive, &id(&item), &json!({"name": "ransom.txt"})).await.unwrap();
        } else {
            graph.delete(&drive.drive, &id(&item)).await.unwrap();
        }
    }
}

async fn call(world: &World, method: Method, path: &str) {
    world.node.graph.call(method, path, &Value::Null).await.unwrap().ok().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_goes_back_in_place() {
    let (mut world, user, drive) = drive(501).await;
    let graph = &world.node.graph;
    let other = id(&graph.list("/v1.0/users").await.unwrap()[1]);
    let inner = folder(&world, &drive, &drive.root, "Taxes").await;
    let file = put(&world, &drive, &inner, "2025.csv", b"year,amount").await;
    world.node.graph.invite(&drive.drive, &file, &other, "read").await.unwrap();
    let (point, state) = true_point(&mut world, &drive).await;
    let tenant = world.tenant.facts().tenant_id;
    let unit = world.node.store.read().await.unwrap().unit(tenant, drive.unit).await.unwrap();
    let unit = unit.unwrap().value;
    assert_eq!(unit.state, UnitState::Protected);
    assert_eq!(unit.resource, user);
    assert_eq!(unit.name.as_deref(), Some("Amira Haddad"));
    let url = unit.web_url.unwrap();
    assert!(url.starts_with("https://contoso-my.sharepoint.com/personal/amira_haddad"), "{url}");
    assert!(url.ends_with("/Documents"), "the drive's address, not its site's: {url}");
    damage(&world, &drive).await;
    roll_back(&mut world, &drive, &point, &state).await;
    assert!(world.make_point(drive.unit).await.unwrap().unwrap().id > point.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_drive_makes_no_point() {
    let (world, _, drive) = drive(502).await;
    let first = world.latest(drive.unit).await.unwrap().unwrap();
    let second = world.make_point(drive.unit).await.unwrap().unwrap();
    assert_eq!(first.id, second.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drive_becomes_a_new_site() {
    let (mut world, _, drive) = drive(503).await;
    let (point, state) = true_point(&mut world, &drive).await;
    damage(&world, &drive).await;
    let damaged = world.read_site(&drive.site).await.unwrap();
    for number in 0..2 {
        let ended = world.restore(&point, "new").await.unwrap();
        ended.check_complete().unwrap();
        let restored = ended.restored.unwrap();
        assert_eq!(
            restored.web_url,
            format!(
                "https://contoso.sharepoint.com/sites/amira_haddad_contoso_onmicrosoft_comR{number}"
            )
        );
        assert_eq!(restored.name, format!("Amira Haddad R{number}"));
        let copy = world.read_site(&restored.id).await.unwrap();
        equal("the new site", &copy.without_ids(), &in_documents(&state).without_ids()).unwrap();
        check_read_only(&world, &restored.id).await.unwrap();
    }
    assert_eq!(world.read_site(&drive.site).await.unwrap(), damaged, "the drive is not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_owners_drive_is_restored_as_an_orphan_and_without_it_to_a_new_site() {
    let (mut world, user, drive) = drive(504).await;
    let (point, state) = true_point(&mut world, &drive).await;
    damage(&world, &drive).await;
    call(&world, Method::DELETE, &format!("/v1.0/users/{user}")).await;

    // Backups fail, and say why; what was protected stays so.
    world.clock.advance(Duration::from_secs(601));
    world.settle().await.unwrap();
    let tenant = world.tenant.facts().tenant_id;
    let unit = world.node.store.read().await.unwrap().unit(tenant, drive.unit).await.unwrap();
    let unit = unit.unwrap().value;
    assert_eq!(unit.state, UnitState::Protected);
    assert!(unit.error.unwrap().message.contains("no such user"));
    assert_eq!(unit.name.as_deref(), Some("Amira Haddad"));

    roll_back(&mut world, &drive, &point, &state).await;

    call(&world, Method::DELETE, &format!("/beta/sites/{}", drive.site)).await;
    let ended = world.restore(&point, "inPlace").await.unwrap();
    assert_eq!(ended.status, "failed");
    let error = ended.error.unwrap();
    assert_eq!(error.code, "ArtifactCannotBeRestored");
    assert!(error.message.contains("restore to a new site"), "{}", error.message);
    let ended = world.restore(&point, "new").await.unwrap();
    ended.check_complete().unwrap();
    let copy = world.read_site(&ended.restored.unwrap().id).await.unwrap();
    equal("the new site", &copy.without_ids(), &in_documents(&state).without_ids()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_not_protected_and_says_so() {
    let world = World::new(WorldOptions::new(505)).await.unwrap();
    let user = id(&world.node.graph.list("/v1.0/users").await.unwrap()[0]);
    let mailbox = world.protect_user(Workload::Exchange, &user).await.unwrap();
    world.settle().await.unwrap();
    let tenant = world.tenant.facts().tenant_id;
    let mut tx = world.node.store.read().await.unwrap();
    let unit = tx.unit(tenant, mailbox.unit).await.unwrap().unwrap().value;
    assert_eq!(unit.state, UnitState::Unprotected);
    let error = unit.error.unwrap();
    assert_eq!(error.code, "OperationNotAllowed");
    assert!(error.message.contains("not built yet"), "{}", error.message);
    let policy = tx.policy(tenant, unit.policy.unwrap()).await.unwrap().unwrap().value;
    assert_eq!(policy.state, PolicyState::ActiveWithErrors);
    assert!(tx.latest_restore_point(tenant, mailbox.unit).await.unwrap().is_none());
}
