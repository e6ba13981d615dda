//! Signing in as a person: pages, codes, tokens. What MSAL does with them is in `interop/sign_in.py`.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_tenant::AppRegistration;
use serde_json::{Value, json};

use crate::common::{Answer, Harness, open};

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const REDIRECT: &str = "http://localhost:50123";

struct Page {
    cookie: String,
    action: String,
    request: String,
    html: String,
}

/// The value of the first `name="…"` after `mark`.
fn attribute(html: &str, mark: &str, name: &str) -> String {
    let rest = &html[html.find(mark).unwrap_or_else(|| panic!("{mark} in {html}"))..];
    let start = rest.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    rest[start..start + rest[start..].find('"').unwrap()].to_owned()
}

fn page(answer: Answer) -> Page {
    assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    let html = String::from_utf8(answer.bytes.to_vec()).unwrap();
    assert!(!html.contains("http:") && !html.contains("https:"), "nothing is loaded");
    Page {
        cookie: cookie.split(';').next().unwrap().to_owned(),
        action: attribute(&html, "<form", "action"),
        request: attribute(&html, "name=request", "value"),
        html,
    }
}

fn location_field(answer: &Answer, name: &str) -> Option<String> {
    let location = answer.header("location");
    let (_, fields) = location.split_once(['?', '#'])?;
    fields
        .split('&')
        .filter_map(|field| field.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into())
}

fn claims(token: &Value) -> Value {
    let token = token.as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

impl Harness {
    fn client(&self) -> String {
        self.facts.client_id.to_string()
    }

    fn authorize_url(&self, more: &str) -> String {
        format!(
            "/raw/organizations/oauth2/v2.0/authorize?client_id={}&response_type=code\
             &redirect_uri={REDIRECT}&scope=openid+profile+offline_access+Files.Read.All&state=s%20t\
             &code_challenge={CHALLENGE}&code_challenge_method=S256&nonce=n{more}",
            self.client()
        )
    }

    async fn open_page(&self, url: &str) -> Answer {
        self.send("GET", url, &[("no-token", "")], Body::empty()).await
    }

    async fn choose(&self, page: &Page, person: &str) -> Answer {
        let headers = [("no-token", ""), FORM, ("cookie", page.cookie.as_str())];
        let form = format!("request={}&person={person}", page.request);
        self.send("POST", &format!("/raw{}", page.action), &headers, form).await
    }

    async fn ask_token(&self, form: &str) -> Answer {
        let url = format!("/raw/{}/oauth2/v2.0/token", self.facts.tenant_id);
        self.send("POST", &url, &[("no-token", ""), FORM], form.to_owned()).await
    }

    async fn code(&self) -> String {
        let page = page(self.open_page(&self.authorize_url("")).await.expect(200));
        let answer = self.choose(&page, &self.facts.user_id).await.expect(303);
        location_field(&answer, "code").unwrap()
    }

    async fn redeem(&self, code: &str, more: &str) -> Answer {
        self.ask_token(&format!(
            "grant_type=authorization_code&client_id={}&code={code}&redirect_uri={REDIRECT}{more}",
            self.client()
        ))
        .await
    }

    async fn refresh(&self, token: &Value, more: &str) -> Answer {
        let token = token.as_str().unwrap();
        self.ask_token(&format!(
            "grant_type=refresh_token&client_id={}&refresh_token={token}{more}",
            self.client()
        ))
        .await
    }

    async fn person_named(&self, name: &str) -> String {
        let url = format!("/users?$filter=startswith(displayName,'{name}')");
        self.get(&url).await.body(200)["value"][0]["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_code_with_pkce_gives_tokens_of_the_chosen_person() {
    let h = Harness::new();
    let shown = page(h.open_page(&h.authorize_url("")).await.expect(200));
    assert!(shown.html.contains("without a password"));
    assert!(shown.html.contains("Hiro Tanaka") && shown.html.contains("Global Administrator"));
    let answer = h.choose(&shown, &h.person_named("Hiro").await).await.expect(303);
    assert!(answer.header("location").starts_with("http://localhost:50123?code="));
    assert_eq!(location_field(&answer, "state").unwrap(), "s t");

    let code = location_field(&answer, "code").unwrap();
    let proof = format!("&code_verifier={VERIFIER}&client_info=1");
    let tokens = h.redeem(&code, &proof).await.body(200);
    assert_eq!(tokens["scope"], "openid profile Files.Read.All");
    assert_eq!(tokens["expires_in"], 3600);
    let access = claims(&tokens["access_token"]);
    assert_eq!(access["scp"], "openid profile Files.Read.All");
    assert_eq!(access["wids"], json!(["62e90394-69f5-4237-9190-012177145e10"]));
    assert_eq!(access["name"], "Hiro Tanaka");
    assert_eq!(access["preferred_username"], "hiro.tanaka@contoso.onmicrosoft.com");
    assert_eq!((&access["idtyp"], &access["roles"]), (&json!("user"), &Value::Null));
    let identity = claims(&tokens["id_token"]);
    assert_eq!((&identity["aud"], &identity["nonce"]), (&json!(h.client()), &json!("n")));
    assert_eq!((&identity["oid"], &identity["iss"]), (&access["oid"], &access["iss"]));
    let info = URL_SAFE_NO_PAD.decode(tokens["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!((&info["uid"], &info["utid"]), (&access["oid"], &access["tid"]));

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let as_hiro = [("no-token", ""), ("authorization", bearer.as_str())];
    let me = h.send("GET", "/me", &as_hiro, Body::empty()).await.body(200);
    assert_eq!(me["displayName"], "Hiro Tanaka");
    h.send("GET", "/me/drive", &as_hiro, Body::empty()).await.expect(200);
    h.send("GET", "/users", &as_hiro, Body::empty()).await.expect(403);
    let info = h.send("GET", "/raw/oidc/userinfo", &as_hiro, Body::empty()).await.body(200);
    assert_eq!((&info["sub"], &info["given_name"]), (&identity["sub"], &json!("Hiro")));
}

#[tokio::test]
async fn a_code_works_once_for_its_client_its_address_and_its_verifier() {
    let h = Harness::new();
    let proof = format!("&code_verifier={VERIFIER}");
    let refused = async |more: &str, number: u32| {
        let code = h.code().await;
        let body = h.redeem(&code, more).await.json();
        assert_eq!(body["error_codes"], json!([number]), "{body}");
        // The attempt used it up.
        let again = h.redeem(&code, &proof).await.body(400);
        assert_eq!(again["error"], "invalid_grant");
    };
    refused("", 501_481).await;
    refused("&code_verifier=another", 501_481).await;
    let code = h.code().await;
    let elsewhere = format!(
        "grant_type=authorization_code&client_id={}&code={code}&redirect_uri=http://localhost:1{proof}",
        h.client()
    );
    assert_eq!(h.ask_token(&elsewhere).await.body(400)["error_codes"], json!([500_112]));

    let code = h.code().await;
    let tokens = h.redeem(&code, &proof).await.body(200);
    assert_eq!(h.redeem(&code, &proof).await.body(400)["error_codes"], json!([54005]));
    let ended = h.refresh(&tokens["refresh_token"], "").await.body(400);
    assert_eq!(ended["error"], "invalid_grant", "a code used twice ends what came of it");

    let code = h.code().await;
    h.clock.advance_seconds(601);
    assert_eq!(h.redeem(&code, &proof).await.body(400)["error_codes"], json!([70008]));
    assert_eq!(h.redeem("unknown", &proof).await.body(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_an_old_one_ends_the_family() {
    let h = Harness::new();
    let first = h.redeem(&h.code().await, &format!("&code_verifier={VERIFIER}")).await.body(200);
    let narrowed = h.refresh(&first["refresh_token"], "&scope=User.Read").await.body(200);
    assert_eq!(claims(&narrowed["access_token"])["scp"], "User.Read");
    assert!(narrowed["id_token"].is_null());
    h.refresh(&narrowed["refresh_token"], "&scope=https://elsewhere.example/x").await.expect(400);

    // The database is the only place that knows them.
    let Harness { tenant, clock, dir, facts, token } = h;
    drop(tenant);
    let h = Harness { tenant: open(dir.path(), &clock), clock, dir, facts, token };
    let second = h.refresh(&narrowed["refresh_token"], "").await.body(200);
    assert_eq!(second["scope"], "openid profile Files.Read.All");
    assert!(claims(&second["id_token"])["nonce"].is_null());

    let stolen = h.refresh(&first["refresh_token"], "").await.body(400);
    assert_eq!(
        (&stolen["error"], &stolen["error_codes"]),
        (&json!("invalid_grant"), &json!([50173]))
    );
    assert_eq!(h.refresh(&second["refresh_token"], "").await.body(400)["error"], "invalid_grant");

    let other = h.redeem(&h.code().await, &format!("&code_verifier={VERIFIER}")).await.body(200);
    h.clock.advance_seconds(91 * 24 * 3600);
    assert_eq!(h.refresh(&other["refresh_token"], "").await.body(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn wrong_clients_and_addresses_are_never_redirected() {
    let h = Harness::new();
    let url = h.authorize_url("");
    for wrong in [
        url.replace(&h.client(), "00000000-0000-0000-0000-000000000001"),
        url.replace(REDIRECT, "https://evil.example/"),
        url.replace(REDIRECT, "http://localhost:50123/other"),
        url.replace(&format!("&redirect_uri={REDIRECT}"), ""),
        url.replace("client_id", "x"),
    ] {
        let answer = h.open_page(&wrong).await.expect(400);
        assert_eq!(answer.header("location"), "", "{wrong}");
        assert!(answer.header("content-type").starts_with("text/html"));
    }
    let redirected = async |url: String, error: &str| {
        let answer = h.open_page(&url).await.expect(303);
        assert_eq!(location_field(&answer, "error").as_deref(), Some(error), "{url}");
        assert_eq!(location_field(&answer, "state").as_deref(), Some("s t"));
    };
    redirected(
        url.replace("response_type=code", "response_type=token"),
        "unsupported_response_type",
    )
    .await;
    redirected(url.replace("S256", "plain"), "invalid_request").await;
    redirected(url.replace(CHALLENGE, "short"), "invalid_request").await;
    redirected(url.replace("&scope=", "&scope=https://elsewhere.example/x+"), "invalid_scope")
        .await;
    redirected(h.authorize_url("&prompt=none"), "login_required").await;
    redirected(h.authorize_url("&response_mode=web_message"), "invalid_request").await;
}

#[tokio::test]
async fn the_form_is_bound_to_the_browser_that_it_was_shown_in() {
    let h = Harness::new();
    let shown = page(h.open_page(&h.authorize_url("")).await.expect(200));
    let person = h.facts.user_id.clone();
    let stranger =
        Page { cookie: "a=b".to_owned(), ..page(h.open_page(&h.authorize_url("")).await) };
    h.choose(&stranger, &person).await.expect(400);
    let mut changed = shown.request.clone();
    changed.replace_range(10..11, if &changed[10..11] == "A" { "B" } else { "A" });
    let forged = Page { request: changed, ..page(h.open_page(&h.authorize_url("")).await) };
    h.choose(&forged, &person).await.expect(400);
    h.choose(&shown, "00000000-0000-0000-0000-000000000001").await.expect(400);
    let declined = h.choose(&shown, "").await.expect(303);
    assert_eq!(location_field(&declined, "error").as_deref(), Some("access_denied"));
    h.choose(&shown, &person).await.expect(303);
    h.clock.advance_seconds(3601);
    h.choose(&shown, &person).await.expect(400);
}

#[tokio::test]
async fn answers_travel_by_fragment_and_by_form() {
    let h = Harness::new();
    let shown = page(h.open_page(&h.authorize_url("&response_mode=fragment")).await.expect(200));
    let answer = h.choose(&shown, &h.facts.user_id).await.expect(303);
    assert!(answer.header("location").starts_with("http://localhost:50123#code="));

    let url = h.authorize_url("&response_mode=form_post").replace("s%20t", "%22%3E%3Cscript%3E");
    let shown = page(h.open_page(&url).await.expect(200));
    let answer = h.choose(&shown, &h.facts.user_id).await.expect(200);
    let html = String::from_utf8(answer.bytes.to_vec()).unwrap();
    assert_eq!(attribute(&html, "<form", "action"), REDIRECT);
    assert_eq!(attribute(&html, "name=\"state\"", "value"), "&quot;&gt;&lt;script&gt;");
    let code = attribute(&html, "name=\"code\"", "value");
    h.redeem(&code, &format!("&code_verifier={VERIFIER}")).await.expect(200);
}

#[tokio::test]
async fn an_application_on_a_web_server_needs_its_secret() {
    let h = Harness::new();
    let app = AppRegistration {
        client_id: "2f3c1a54-6d0e-4d0f-9c39-6c3f6a1f4b77".to_owned(),
        secret: "secret".to_owned(),
        display_name: "<b>Web</b>".to_owned(),
        roles: Vec::new(),
        scopes: vec!["Files.Read".to_owned()],
        redirect_uris: vec!["https://app.example/cb".to_owned()],
    };
    h.tenant.register_app(&app).unwrap();
    let url = h
        .authorize_url("")
        .replace(&h.client(), &app.client_id)
        .replace(REDIRECT, "https://app.example/cb")
        .replace("Files.Read.All", "Files.Read+User.Read");
    let answer = h.open_page(&url).await.expect(200);
    let html = String::from_utf8(answer.bytes.to_vec()).unwrap();
    assert!(html.contains("&lt;b&gt;Web") && !html.contains("<b>Web"));
    for (secret, status) in
        [("", 401), ("&client_secret=wrong", 401), ("&client_secret=secret", 200)]
    {
        let shown = page(h.open_page(&url).await.expect(200));
        let answer = h.choose(&shown, &h.facts.user_id).await.expect(303);
        let form = format!(
            "grant_type=authorization_code&client_id={}&code={}&code_verifier={VERIFIER}\
             &redirect_uri=https://app.example/cb{secret}",
            app.client_id,
            location_field(&answer, "code").unwrap()
        );
        let tokens = h.ask_token(&form).await.expect(status).json();
        if status == 200 {
            assert_eq!(tokens["scope"], "openid profile Files.Read", "it has no User.Read");
            let refresh = format!(
                "grant_type=refresh_token&client_id={}&refresh_token={}",
                app.client_id,
                tokens["refresh_token"].as_str().unwrap()
            );
            h.ask_token(&refresh).await.expect(401);
            h.ask_token(&format!("{refresh}&client_secret=secret")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_device_waits_for_the_person_and_not_too_eagerly() {
    let h = Harness::new();
    let url = "/raw/organizations/oauth2/v2.0/devicecode";
    let start = async |scope: &str| {
        let form = format!("client_id={}&scope={scope}", h.client());
        h.send("POST", url, &[("no-token", ""), FORM], form).await
    };
    let poll = async |code: &Value| {
        let code = code.as_str().unwrap();
        h.ask_token(&format!(
            "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id={}&device_code={code}&code={code}",
            h.client()
        ))
        .await
    };
    let error =
        async |code: &Value| poll(code).await.body(400)["error"].as_str().unwrap().to_owned();
    start("https://elsewhere.example/x").await.expect(400);

    let device = start("openid+offline_access+Files.Read.All").await.body(200);
    let code = &device["device_code"];
    assert_eq!(error(code).await, "authorization_pending");
    h.clock.advance_seconds(2);
    assert_eq!(error(code).await, "slow_down");
    h.clock.advance_seconds(5);
    assert_eq!(error(code).await, "slow_down", "the interval grew to ten seconds");
    let user_code = device["user_code"].as_str().unwrap().to_lowercase();
    let wrong = h.open_page("/raw/devicelogin?user_code=BBBBBBBBB").await.expect(200);
    assert!(String::from_utf8_lossy(&wrong.bytes).contains("not known"));
    let shown =
        page(h.open_page(&format!("/raw/devicelogin?user_code={user_code}")).await.expect(200));
    let stranger = Page {
        cookie: "a=b".to_owned(),
        action: shown.action.clone(),
        request: shown.request.clone(),
        html: String::new(),
    };
    h.choose(&stranger, &h.facts.user_id).await.expect(400);
    h.choose(&shown, &h.facts.user_id).await.expect(200);
    h.clock.advance_seconds(20);
    let tokens = poll(code).await.body(200);
    assert_eq!(claims(&tokens["access_token"])["oid"], h.facts.user_id);
    h.refresh(&tokens["refresh_token"], "").await.expect(200);
    h.clock.advance_seconds(20);
    assert_eq!(error(code).await, "invalid_grant", "it works once");

    let device = start("openid").await.body(200);
    let shown = format!("/raw/devicelogin?user_code={}", device["user_code"].as_str().unwrap());
    let shown = page(h.open_page(&shown).await.expect(200));
    h.choose(&shown, "").await.expect(200);
    assert_eq!(error(&device["device_code"]).await, "authorization_declined");

    let device = start("openid").await.body(200);
    h.clock.advance_seconds(901);
    assert_eq!(error(&device["device_code"]).await, "expired_token");
    assert_eq!(error(&json!("unknown")).await, "bad_verification_code");
}

#[tokio::test]
async fn discovery_names_what_is_served_and_errors_carry_the_callers_id() {
    let h = Harness::new();
    let url = format!("/raw/{}/v2.0/.well-known/openid-configuration", h.facts.tenant_id);
    let document = h.open_page(&url).await.body(200);
    let path = |name: &str| {
        let url = document[name].as_str().unwrap();
        format!("/raw{}", url.strip_prefix("https://localhost:8443").unwrap())
    };
    h.open_page(&path("authorization_endpoint")).await.expect(400);
    h.open_page(&path("end_session_endpoint")).await.expect(200);
    h.open_page(&path("userinfo_endpoint")).await.expect(401);
    h.open_page(&path("jwks_uri")).await.expect(200);
    let id = "b26e4ac5-58b6-4b1c-9d3b-0d4a2a5b0c11";
    let headers = [("no-token", ""), FORM, ("client-request-id", id)];
    for name in ["token_endpoint", "device_authorization_endpoint"] {
        let refused = h.send("POST", &path(name), &headers, "x=y").await.json();
        assert_eq!(refused["correlation_id"], id, "{refused}");
        assert!(refused["error_description"].as_str().unwrap().starts_with("AADSTS"));
    }
    let address = format!("{}?client_id={}", path("end_session_endpoint"), h.client());
    let out = h.open_page(&format!("{address}&post_logout_redirect_uri={REDIRECT}&state=x")).await;
    assert_eq!(out.expect(303).header("location"), "http://localhost:50123?state=x");
    let out =
        h.open_page(&format!("{address}&post_logout_redirect_uri=https://evil.example")).await;
    out.expect(200);
}
