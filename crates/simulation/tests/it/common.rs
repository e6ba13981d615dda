//! Short words for what tests do to a site.

use std::sync::Arc;

use holdfast_domain::RestorePoint;
use holdfast_simulation::truth::equal;
use holdfast_simulation::{Protected, SiteState, Wire, World, WorldOptions};
use serde_json::Value;

/// The id of an item.
#[track_caller]
pub(crate) fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

/// Writes a file; gives its id.
pub(crate) async fn put(
    world: &World,
    site: &Protected,
    folder: &str,
    name: &str,
    content: &[u8],
) -> String {
    id(&world
        .node
        .graph
        .put_file(&site.drive, folder, name, content.to_vec().into())
        .await
        .unwrap())
}

/// Makes a folder; gives its id.
pub(crate) async fn folder(world: &World, site: &Protected, parent: &str, name: &str) -> String {
    id(&world.node.graph.make_folder(&site.drive, parent, name).await.unwrap())
}

/// A world with this wire, and a protected site in it.
pub(crate) async fn wired(seed: u64, wire: Arc<dyn Wire>) -> (World, Protected) {
    let mut options = WorldOptions::new(seed);
    options.wire = Some(wire);
    let world = World::new(options).await.unwrap();
    let site = world.protected("case").await.unwrap();
    (world, site)
}

/// A world, and a protected site in it.
pub(crate) async fn plain(seed: u64) -> (World, Protected) {
    let world = World::new(WorldOptions::new(seed)).await.unwrap();
    let site = world.protected("case").await.unwrap();
    (world, site)
}

/// A point that equals the site as it is.
pub(crate) async fn true_point(world: &mut World, site: &Protected) -> (RestorePoint, SiteState) {
    let live = world.read_site(&site.site).await.unwrap();
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    equal("the point and the site", &world.read_point(&point).await.unwrap(), &live).unwrap();
    (point, live)
}

/// Restores in place, completely; the site equals `state` then.
pub(crate) async fn roll_back(
    world: &mut World,
    site: &Protected,
    point: &RestorePoint,
    state: &SiteState,
) {
    world.restore(point, "inPlace").await.unwrap().check_complete().unwrap();
    equal(
        "the site and the point",
        &world.read_site(&site.site).await.unwrap().without_ids(),
        &state.without_ids(),
    )
    .unwrap();
}

/// Restores to a new site, completely; it equals `state`. Gives its id.
pub(crate) async fn copy_of(world: &mut World, point: &RestorePoint, state: &SiteState) -> String {
    let ended = world.restore(point, "new").await.unwrap();
    ended.check_complete().unwrap();
    let copy = ended.restored.unwrap().id;
    equal(
        "the new site and the point",
        &world.read_site(&copy).await.unwrap().without_ids(),
        &state.without_ids(),
    )
    .unwrap();
    copy
}
