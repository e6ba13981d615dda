//! Groups, their members, and members of members.

use axum::body::Body;
use serde_json::{Value, json};

use crate::common::{Harness, app_token, id};

fn names(page: &Value) -> Vec<&str> {
    page["value"].as_array().unwrap().iter().map(|v| v["displayName"].as_str().unwrap()).collect()
}

async fn group_named(h: &Harness, name: &str) -> String {
    let filter = format!("/groups?$filter=displayName%20eq%20'{}'", name.replace(' ', "%20"));
    id(&h.get(&filter).await.body(200)["value"][0]).to_owned()
}

fn writer() -> Harness {
    let mut h = Harness::new();
    h.token = app_token(&h.tenant, &["Group.ReadWrite.All", "User.Read.All"]);
    h
}

#[tokio::test]
async fn members_of_groups_in_a_group_are_its_transitive_members() {
    let h = Harness::new();
    let group = group_named(&h, "Protected people").await;
    let direct = h.get(&format!("/groups/{group}/members")).await.body(200);
    assert_eq!(names(&direct), ["Fatima Noor", "Executives", "Finance team"]);
    assert_eq!(direct["value"][0]["@odata.type"], "#microsoft.graph.user");
    assert_eq!(direct["value"][1]["@odata.type"], "#microsoft.graph.group");
    assert_eq!(direct["value"][1]["securityEnabled"], true);

    let all = h.get(&format!("/groups/{group}/transitiveMembers")).await.body(200);
    let people = ["Amira Haddad", "Chen Wei", "Fatima Noor", "Grace Okafor"];
    assert_eq!(names(&all), [&people[..], &["Executives", "Finance team"]].concat());
    let cast = format!("/groups/{group}/transitiveMembers/microsoft.graph.user?$select=id&$top=3");
    let (users, _, pages) = h.drain(&cast).await;
    assert_eq!((users.len(), pages), (4, 2), "Grace is in two of the groups and listed once");
    assert_eq!(h.get(&format!("/groups/{group}/members/$count")).await.expect(200).bytes, "3");
    let absent =
        "/groups/00000000-0000-0000-0000-000000000001/transitiveMembers/microsoft.graph.user";
    h.get(absent).await.refused(404, "Request_ResourceNotFound", None);
}

#[tokio::test]
async fn groups_in_a_circle_end() {
    let h = writer();
    let (outer, inner) =
        (group_named(&h, "Protected people").await, group_named(&h, "Executives").await);
    let body = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/groups/{outer}")});
    h.json("POST", &format!("/groups/{inner}/members/$ref"), body).await.expect(204);
    let people = h.get(&format!("/groups/{inner}/transitiveMembers/graph.user")).await.body(200);
    assert_eq!(people["value"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn groups_are_made_filled_emptied_and_deleted() {
    let h = writer();
    let user = &h.facts.user_id;
    let url = format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}");
    let new = json!({
        "displayName": "Auditors", "mailNickname": "auditors", "mailEnabled": false,
        "securityEnabled": true, "members@odata.bind": [url],
    });
    let made = h.json("POST", "/groups", new).await.body(201);
    assert_eq!((&made["groupTypes"], &made["mail"]), (&json!([]), &Value::Null));
    let members = format!("/groups/{}/members", id(&made));
    assert_eq!(id(&h.get(&members).await.body(200)["value"][0]), user);

    let again = h.json("POST", &format!("{members}/$ref"), json!({"@odata.id": url})).await;
    again.refused(400, "Request_BadRequest", None);
    let nobody = json!({"@odata.id": "https://x/users/00000000-0000-0000-0000-000000000001"});
    let refused = h.json("POST", &format!("{members}/$ref"), nobody).await;
    refused.refused(404, "Request_ResourceNotFound", None);
    let member = format!("{members}/{user}/$ref");
    h.delete(&member).await.expect(204);
    h.delete(&member).await.refused(404, "Request_ResourceNotFound", None);
    assert_eq!(h.get(&members).await.body(200)["value"], json!([]));

    h.delete(&format!("/groups/{}", id(&made))).await.expect(204);
    h.get(&format!("/groups/{}", id(&made))).await.refused(404, "Request_ResourceNotFound", None);
    let unnamed = json!({"mailNickname": "x", "mailEnabled": false, "securityEnabled": true});
    h.json("POST", "/groups", unnamed).await.refused(400, "Request_BadRequest", None);
    let reader = format!("Bearer {}", app_token(&h.tenant, &["Group.Read.All"]));
    let as_reader = [("no-token", ""), ("authorization", reader.as_str())];
    h.send("POST", "/groups", &as_reader, Body::from("{}")).await.refused(
        403,
        "Authorization_RequestDenied",
        None,
    );
}

#[tokio::test]
async fn a_site_changes_when_something_in_it_does() {
    let h = Harness::new();
    let modified = async || {
        let site = h.get(&format!("/sites/{}", h.facts.site_id)).await.body(200);
        site["lastModifiedDateTime"].as_str().unwrap().to_owned()
    };
    let before = modified().await;
    h.clock.advance_seconds(3600);
    assert_eq!(modified().await, before);
    h.put(&format!("{}/root:/new.txt:/content", h.drive()), b"new").await.expect(201);
    assert!(modified().await > before);
}

#[tokio::test]
async fn who_holds_a_directory_role_is_listed_until_they_leave() {
    let mut h = Harness::new();
    let holders = "/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members";
    h.get(holders).await.refused(403, "Authorization_RequestDenied", None);
    h.token = app_token(&h.tenant, &["RoleManagement.Read.Directory", "User.ReadWrite.All"]);
    let listed = h.get(holders).await.body(200);
    assert_eq!(names(&listed), ["Hiro Tanaka"]);
    assert_eq!(listed["value"][0]["@odata.type"], "#microsoft.graph.user");
    h.delete("/users/hiro.tanaka@contoso.onmicrosoft.com").await.expect(204);
    h.get(holders).await.refused(404, "Request_ResourceNotFound", None);
}
