//! Short words for what tests do to a site.

use holdfast_simulation::{Protected, World};
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
