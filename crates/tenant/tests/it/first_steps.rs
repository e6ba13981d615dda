//! Tokens, directory, sites and drives.

use crate::common::{Harness, app_token, id, open};
use axum::body::Body;
use holdfast_tenant::{AppRegistration, TokenClaims};
use serde_json::{Value, json};

#[tokio::test]
async fn the_seed_is_the_same_everywhere_and_survives_restarts() {
    let one = Harness::new();
    let two = Harness::new();
    assert_eq!(one.facts.drive_id, two.facts.drive_id);
    let (items, _, _) = one.drain(&format!("{}/root/delta", one.drive())).await;
    let (others, _, _) = two.drain(&format!("{}/root/delta", two.drive())).await;
    let ids = |items: &[Value]| items.iter().map(|item| id(item).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&items), ids(&others));
    assert!(items.len() > 20);

    let folder = one.folder(&format!("{}/root", one.drive()), "kept").await;
    let (jwks, token) = (one.tenant.jwks(), one.token.clone());
    let Harness { tenant, clock, dir, facts, .. } = one;
    drop(tenant);
    let tenant = open(dir.path(), &clock);
    assert_eq!(tenant.jwks(), jwks);
    let again = Harness { facts, tenant, clock, dir, token };
    assert_eq!(again.facts.client_secret, again.tenant.facts().client_secret);
    again.get(&format!("{}/items/{}", again.drive(), id(&folder))).await.expect(200);
}

#[tokio::test]
async fn token_endpoint() {
    let h = Harness::new();
    let tid = h.facts.tenant_id.to_string();
    let url = format!("/raw/{tid}/oauth2/v2.0/token?client-request-id=x");
    let (client, secret) = (h.facts.client_id.to_string(), h.facts.client_secret.clone());
    let form = [("content-type", "application/x-www-form-urlencoded"), ("no-token", "")];
    let ask = async |body: String| h.send("POST", &url, &form, body).await;
    let in_body = format!(
        "grant_type=client_credentials&client_id={client}&client_secret={secret}&x-client-os=linux\
         &scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&claims=%7B%7D"
    );
    let answer = ask(in_body.clone()).await.body(200);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    h.send("GET", "/sites/root", &[("no-token", ""), ("authorization", &bearer)], Body::empty())
        .await
        .expect(200);

    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}"));
    let basic = format!("Basic {basic}");
    let headers = [("no-token", ""), ("authorization", basic.as_str())];
    h.send("POST", &url, &headers, "grant_type=client_credentials&scope=.default")
        .await
        .expect(200);

    let wrong = ask(in_body.replace(&secret, "wrong")).await.body(401);
    assert_eq!(wrong["error"], "invalid_client");
    assert_eq!(wrong["error_codes"], json!([7_000_215]));
    assert!(wrong["error_description"].as_str().unwrap().starts_with("AADSTS7000215"));
    assert_eq!(
        ask("grant_type=password".to_owned()).await.body(400)["error"],
        "unsupported_grant_type"
    );
    assert_eq!(
        ask(in_body.replace(&client, "nobody")).await.body(400)["error"],
        "unauthorized_client"
    );
    assert_eq!(
        ask(in_body.replace(".default", "User.Read")).await.body(400)["error"],
        "invalid_scope"
    );
    ask("grant_type=client_credentials".to_owned()).await.expect(401);

    let app = AppRegistration {
        client_id: "2f3c1a54-6d0e-4d0f-9c39-6c3f6a1f4b77".to_owned(),
        secret: "first".to_owned(),
        display_name: "Reader".to_owned(),
        roles: vec!["Files.Read.All".to_owned()],
        scopes: Vec::new(),
        redirect_uris: Vec::new(),
    };
    h.tenant.register_app(&app).unwrap();
    h.tenant.register_app(&AppRegistration { secret: "second".to_owned(), ..app.clone() }).unwrap();
    let ask_as = |secret: &str| {
        format!(
            "grant_type=client_credentials&client_id={}&client_secret={secret}&scope=.default",
            app.client_id
        )
    };
    ask(ask_as("first")).await.expect(401);
    let reader = ask(ask_as("second")).await.body(200);
    let bearer = format!("Bearer {}", reader["access_token"].as_str().unwrap());
    let as_reader = [("no-token", ""), ("authorization", bearer.as_str())];
    h.send("GET", &h.drive(), &as_reader, Body::empty()).await.expect(200);
    let url = format!("{}/root:/x.txt:/content", h.drive());
    h.send("PUT", &url, &as_reader, "x").await.refused(403, "accessDenied", None);
    h.send("GET", "/users", &as_reader, Body::empty()).await.refused(
        403,
        "Authorization_RequestDenied",
        None,
    );
}

#[tokio::test]
async fn discovery_documents() {
    let h = Harness::new();
    let tid = h.facts.tenant_id.to_string();
    let plain = [("no-token", "")];
    let url = format!("/raw/{tid}/v2.0/.well-known/openid-configuration");
    let document = h.send("GET", &url, &plain, Body::empty()).await.body(200);
    assert_eq!(document["issuer"], h.tenant.issuer());
    assert_eq!(
        document["token_endpoint"],
        format!("https://localhost:8443/{tid}/oauth2/v2.0/token")
    );
    for name in ["authorization_endpoint", "jwks_uri", "device_authorization_endpoint"] {
        assert!(document[name].as_str().unwrap().starts_with("https://localhost:8443/"), "{name}");
    }
    let keys = h
        .send("GET", &format!("/raw/{tid}/discovery/v2.0/keys"), &plain, Body::empty())
        .await
        .body(200);
    assert_eq!(keys, h.tenant.jwks());
    let url = "/raw/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flocalhost%2Fabc%2Foauth2";
    let instance = h.send("GET", url, &plain, Body::empty()).await.body(200);
    assert_eq!(
        instance["tenant_discovery_endpoint"],
        "https://localhost:8443/abc/v2.0/.well-known/openid-configuration"
    );
}

#[tokio::test]
async fn only_a_valid_token_opens() {
    let h = Harness::new();
    let other = Harness::new();
    let good = h.token.clone();
    let answer = h
        .send(
            "GET",
            "/sites/root",
            &[("no-token", ""), ("client-request-id", "mine")],
            Body::empty(),
        )
        .await;
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(answer.header("client-request-id"), "mine");
    assert_eq!(answer.json()["error"]["innerError"]["client-request-id"], "mine");
    answer.refused(401, "InvalidAuthenticationToken", None);
    let try_token = async |token: &str| {
        let bearer = format!("Bearer {token}");
        h.send("GET", "/sites/root", &[("no-token", ""), ("authorization", &bearer)], Body::empty())
            .await
            .status
            .as_u16()
    };
    assert_eq!(try_token(&good).await, 200);
    let foreign =
        other.tenant.mint_token(&TokenClaims::application("x", &["Sites.FullControl.All"]));
    assert_eq!(try_token(&foreign).await, 401, "signed with another key");
    let (head, _) = good.rsplit_once('.').unwrap();
    assert_eq!(try_token(&format!("{head}.")).await, 401, "no signature");
    assert_eq!(try_token("nonsense").await, 401);
    assert_eq!(try_token(&app_token(&h.tenant, &["Mail.Read"])).await, 403);
    let user = h.facts.user_id.clone();
    let delegated = h.tenant.mint_token(&TokenClaims::delegated("x", &user, &["Sites.Read.All"]));
    assert_eq!(try_token(&delegated).await, 200);
    h.clock.advance_seconds(3600 + 299);
    assert_eq!(try_token(&good).await, 200, "within the skew");
    h.clock.advance_seconds(2);
    assert_eq!(try_token(&good).await, 401, "expired");
}

#[tokio::test]
async fn directory() {
    let h = Harness::new();
    let (users, _, pages) = h.drain("/users?$top=3").await;
    assert_eq!((users.len(), pages), (8, 3));
    assert!(users[0].get("accountEnabled").is_none(), "not a default property");
    let user = h.get(&format!("/users/{}", h.facts.user_id)).await.body(200);
    let upn = user["userPrincipalName"].as_str().unwrap();
    assert_eq!(h.get(&format!("/users/{}", upn.to_uppercase())).await.body(200)["id"], user["id"]);
    h.get("/users/nobody@contoso.com").await.refused(404, "Request_ResourceNotFound", None);
    let found = h
        .get("/users?$filter=startswith(displayName,'am')&$select=id,displayName&$count=true")
        .await
        .body(200);
    assert_eq!(found["@odata.count"], 1);
    assert_eq!(found["value"][0].as_object().unwrap().len(), 2);
    h.get("/users?$select=nonsense").await.refused(400, "BadRequest", None);
    h.get("/users?$filter=nonsense").await.refused(400, "BadRequest", None);
    h.get("/users?$search=%22displayName:wei%22").await.refused(400, "BadRequest", None);
    let found = h
        .send(
            "GET",
            "/users?$search=%22displayName:wei%22",
            &[("ConsistencyLevel", "eventual")],
            Body::empty(),
        )
        .await;
    assert_eq!(found.body(200)["value"][0]["surname"], "Wei");
    let groups = h.get("/groups?$filter=groupTypes/any(c:c%20eq%20'Unified')").await.body(200);
    let groups = groups["value"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    let group = id(&groups[0]);
    let members = h.get(&format!("/groups/{group}/members")).await.body(200);
    assert_eq!(members["value"][0]["@odata.type"], "#microsoft.graph.user");
    let drive = h.get(&format!("/groups/{group}/drive")).await.body(200);
    assert_eq!(drive["driveType"], "documentLibrary");
    let site = h.get(&format!("/groups/{group}/sites/root")).await.body(200);
    assert_eq!(id(&site), h.facts.site_id);
    let organization = h.get("/organization").await.body(200);
    assert_eq!(organization["value"][0]["id"], h.facts.tenant_id.to_string());
    h.get("/me").await.refused(400, "BadRequest", None);
    let drive = h.get(&format!("/users/{upn}/drive")).await.body(200);
    assert_eq!(
        (drive["driveType"].as_str(), drive["owner"]["user"]["id"] == user["id"]),
        (Some("business"), true)
    );
    for unknown in ["/users/x/messages", "/planner", "/sites/root/pages", "/$batch"] {
        let status = h.get(unknown).await.status.as_u16();
        assert!(matches!(status, 404 | 501), "{unknown} {status}");
    }
    h.get("/raw/nowhere").await.refused(404, "ResourceNotFound", None);
}

#[tokio::test]
async fn sites_in_every_spelling() {
    let h = Harness::new();
    let all = h.get("/sites/getAllSites()").await.body(200);
    assert_eq!(id(&all["value"][0]), h.facts.site_id);
    assert_eq!(all["value"].as_array().unwrap().len(), 13);
    for url in
        ["/sites?search=*", "/sites?$search=%2A", "/sites", "/sites/getAllSites", "/v1.0//sites"]
    {
        assert_eq!(h.get(url).await.body(200)["value"].as_array().unwrap().len(), 13, "{url}");
    }
    assert_eq!(h.get("/sites?search=market").await.body(200)["value"].as_array().unwrap().len(), 1);
    let (paged, _, pages) = h.drain("/sites/getAllSites?%24top=5&select=id,name").await;
    assert_eq!((paged.len(), pages), (13, 3));
    let encoded = h.facts.site_id.replace(',', "%2C");
    let [_, site, web] = h.facts.site_id.split(',').collect::<Vec<_>>()[..] else { panic!() };
    for url in [
        format!("/sites/{}", h.facts.site_id),
        format!("/sites/{encoded}"),
        format!("/sites/{site},{web}"),
        "/sites/contoso.sharepoint.com:/sites/marketing".to_owned(),
        "/sites/contoso.sharepoint.com:/sites/Marketing:".to_owned(),
    ] {
        assert_eq!(h.get(&url).await.body(200)["name"], "Marketing", "{url}");
    }
    assert_eq!(h.get("/sites/root").await.body(200)["siteCollection"]["root"], json!({}));
    assert_eq!(h.get("/sites/contoso.sharepoint.com").await.body(200)["displayName"], "Contoso");
    h.get("/sites/contoso.sharepoint.com,x,y").await.refused(404, "itemNotFound", None);
    h.get("/sites/contoso.sharepoint.com:/sites/none").await.refused(404, "itemNotFound", None);
    let drive = h.get("/sites/contoso.sharepoint.com:/sites/Marketing:/drive").await.body(200);
    assert_eq!(id(&drive), h.facts.drive_id.as_str());
    assert!(drive["quota"]["total"].as_i64().unwrap() > 0);
    let children = h
        .get("/sites/contoso.sharepoint.com:/sites/Marketing:/drive/root:/Reports:/children")
        .await
        .body(200);
    assert_eq!(children["value"].as_array().unwrap().len(), 2);
    assert_eq!(h.get(&format!("/sites/{encoded}/sites")).await.body(200)["value"], json!([]));
    let lists = h.get(&format!("/sites/{encoded}/lists?$expand=drive")).await.body(200);
    assert_eq!(lists["value"][0]["list"]["template"], "documentLibrary");
    assert_eq!(lists["value"][0]["drive"]["id"], h.facts.drive_id.as_str());
    assert_eq!(
        h.get(&format!("/_api/v2.0{}", h.drive())).await.body(200)["id"],
        h.facts.drive_id.as_str()
    );
    h.get("/drives/b!unknown").await.refused(404, "itemNotFound", None);
    h.json("POST", &h.drive(), json!({})).await.refused(405, "methodNotAllowed", None);
}

#[tokio::test]
async fn a_site_is_made_locked_and_deleted() {
    let h = Harness::new();
    let body = json!({"name": "Restored", "webUrl": "https://contoso.sharepoint.com/sites/MarketingR0", "template": "sts"});
    let site = h.json("POST", "/beta/sites", body.clone()).await.body(201);
    assert_eq!(site["webUrl"], "https://contoso.sharepoint.com/sites/MarketingR0");
    h.json("POST", "/beta/sites", body).await.refused(409, "nameAlreadyExists", None);
    h.json("POST", "/sites", json!({"name": "x"})).await.refused(405, "methodNotAllowed", None);
    h.json("POST", "/beta/sites", json!({"name": "x", "webUrl": "https://elsewhere/sites/x"}))
        .await
        .refused(400, "invalidRequest", None);
    let site_url = format!("/sites/{}", id(&site));
    let drive = h.get(&format!("{site_url}/drive")).await.body(200);
    let drive_url = format!("/drives/{}", id(&drive));
    assert_eq!(h.get(&format!("{drive_url}/root")).await.body(200)["folder"]["childCount"], 0);

    let list = json!({"displayName": "Archive", "list": {"template": "documentLibrary"}});
    let library = h.json("POST", &format!("{site_url}/lists"), list.clone()).await.body(201);
    h.json("POST", &format!("{site_url}/lists"), list).await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    let drives = h.get(&format!("{site_url}/drives")).await.body(200);
    assert_eq!(drives["value"].as_array().unwrap().len(), 2);
    let archive = format!("/drives/{}", id(&drives["value"][1]));
    h.put(&format!("{archive}/root:/a.txt:/content"), b"a").await.expect(201);
    h.delete(&format!("{site_url}/lists/{}", id(&library))).await.expect(204);
    h.get(&format!("{archive}/root:/a.txt")).await.refused(404, "itemNotFound", None);
    assert_eq!(
        h.get(&format!("{site_url}/drives")).await.body(200)["value"].as_array().unwrap().len(),
        1
    );

    h.json("PATCH", &site_url, json!({"displayName": "Other"})).await.body(200);
    let locked = h
        .json("PATCH", &format!("/beta{site_url}"), json!({"lockState": "readOnly"}))
        .await
        .body(200);
    assert_eq!(
        (locked["lockState"].as_str(), locked["displayName"].as_str()),
        (Some("readOnly"), Some("Other"))
    );
    let root = format!("{drive_url}/root");
    h.put(&format!("{root}:/x.txt:/content"), b"x").await.refused(
        423,
        "resourceLocked",
        Some("serviceReadOnly"),
    );
    h.json("POST", &format!("{root}/children"), json!({"name": "x", "folder": {}})).await.refused(
        423,
        "resourceLocked",
        Some("serviceReadOnly"),
    );
    h.json("POST", &format!("{root}:/x.txt:/createUploadSession"), json!({})).await.refused(
        423,
        "resourceLocked",
        Some("serviceReadOnly"),
    );
    h.get(&format!("{root}/children")).await.expect(200);
    h.delete(&format!("/beta{site_url}")).await.refused(
        423,
        "resourceLocked",
        Some("serviceReadOnly"),
    );
    h.json("PATCH", &format!("/beta{site_url}"), json!({"lockState": "unlocked"}))
        .await
        .expect(200);
    h.put(&format!("{root}:/x.txt:/content"), b"x").await.expect(201);
    h.delete(&format!("/beta{site_url}")).await.expect(204);
    h.get(&site_url).await.refused(404, "itemNotFound", None);
    h.get(&drive_url).await.refused(404, "itemNotFound", None);
}
