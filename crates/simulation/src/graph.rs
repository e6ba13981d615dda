//! A plain client of the two HTTP surfaces, called in process: what users and administrators do.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use holdfast_domain::{Clock, Timestamp};
use holdfast_tenant::{Tenant, TokenClaims};
use http::{Method, Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tower::ServiceExt;

const TENANT: &str = "http://tenant.internal";
const API: &str = "https://localhost:8443";
const BETA_ROOT: &str = "/beta/solutions/backupRestore";
const API_ROOT: &str = "/v1.0/solutions/backupRestore";
const ROLES: [&str; 12] = [
    "Group.ReadWrite.All",
    "Sites.FullControl.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "BackupRestore-Control.Read.All",
    "BackupRestore-Control.ReadWrite.All",
    "BackupRestore-Configuration.Read.All",
    "BackupRestore-Configuration.ReadWrite.All",
    "BackupRestore-Restore.Read.All",
    "BackupRestore-Restore.ReadWrite.All",
    "BackupRestore-Search.Read.All",
    "BackupRestore-Monitor.Read.All",
];
/// The template id of the directory role.
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const TOKEN_KEPT: Duration = Duration::from_secs(20 * 60);

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub bytes: Bytes,
    pub location: Option<String>,
}

impl Answer {
    /// The JSON body of a success.
    ///
    /// # Errors
    /// With status and text when it is none.
    pub fn ok(self) -> anyhow::Result<Value> {
        let text = String::from_utf8_lossy(&self.bytes);
        anyhow::ensure!(self.status.is_success(), "{} {text}", self.status);
        if self.bytes.is_empty() {
            Ok(Value::Null)
        } else {
            Ok(serde_json::from_slice(&self.bytes)?)
        }
    }
}

/// Calls the tenant and the backup API as an application that may do everything.
pub struct Graph {
    tenant: Tenant,
    api: Router,
    clock: std::sync::Arc<dyn Clock>,
    token: Mutex<Option<(String, Timestamp)>>,
}

impl Graph {
    pub(crate) fn new(tenant: Tenant, api: Router, clock: std::sync::Arc<dyn Clock>) -> Self {
        Self { tenant, api, clock, token: Mutex::new(None) }
    }

    /// The backup API itself, for a server of its own.
    pub fn api(&self) -> Router {
        self.api.clone()
    }

    /// A token that may do everything, for an hour.
    #[must_use]
    pub fn bearer(&self) -> String {
        self.token()
    }

    fn token(&self) -> String {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        match &*kept {
            Some((token, at)) if now.since(*at) < TOKEN_KEPT => token.clone(),
            _ => {
                let client = self.tenant.facts().client_id.to_string();
                let token = self.tenant.mint_token(&TokenClaims::application(client, &ROLES));
                *kept = Some((token.clone(), now));
                token
            }
        }
    }

    async fn send(
        &self,
        router: Router,
        method: Method,
        url: &str,
        kind: &str,
        body: Bytes,
        token: Option<String>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(url.replace(' ', "%20"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request = request
            .header("content-type", kind)
            .header("content-length", body.len())
            .header("prefer", "include-unknown-enum-members");
        let response = match router.oneshot(request.body(Body::from(body))?).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await?;
        let location =
            parts.headers.get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: parts.status, bytes, location })
    }

    /// A request to the tenant; `path` begins with `/v1.0` or `/beta`, or is a whole address.
    ///
    /// # Errors
    /// When the request cannot be made; an answer of any status is none.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let url = if path.starts_with('/') { format!("{TENANT}{path}") } else { path.to_owned() };
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.send(self.tenant.router(), method, &url, "application/json", body, Some(self.token()))
            .await
    }

    /// Every object of a collection of the tenant.
    ///
    /// # Errors
    /// When a page is refused.
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut values = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(url) = next {
            let page = self.call(Method::GET, &url, &Value::Null).await?.ok()?;
            values.extend(page["value"].as_array().cloned().unwrap_or_default());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        Ok(values)
    }

    /// A request to the backup API; `path` is below `/v1.0/solutions/backupRestore`, or begins with `/holdfast`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn backup(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let root = if path.starts_with("/holdfast") { "" } else { API_ROOT };
        self.send_backup(method, root, path, body).await
    }

    /// The same below `/beta`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn beta(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send_backup(method, BETA_ROOT, path, body).await
    }

    /// The same without a body by an administrator, for what no application may do alone.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn backup_as_person(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let people = self.list("/v1.0/users").await?;
        let person = people[0]["id"].as_str().unwrap_or_default();
        let client = self.tenant.facts().client_id.to_string();
        let mut claims = TokenClaims::delegated(client, person, &ROLES);
        claims.wids = vec![GLOBAL_ADMINISTRATOR.to_owned()];
        let token = self.tenant.mint_token(&claims);
        let url = format!("{API}{BETA_ROOT}{path}");
        let answer = self
            .send(self.api.clone(), method, &url, "application/json", Bytes::new(), Some(token))
            .await?;
        answer.ok()
    }

    async fn send_backup(
        &self,
        method: Method,
        root: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.send(
            self.api.clone(),
            method,
            &format!("{API}{root}{path}"),
            "application/json",
            body,
            Some(self.token()),
        )
        .await?
        .ok()
    }

    /// Writes a file's bytes, new or over the old ones; gives the item.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_file(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
        content: Bytes,
    ) -> anyhow::Result<Value> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let url = format!("{TENANT}/v1.0/drives/{drive}/items/{parent}:/{name}:/content");
        self.send(
            self.tenant.router(),
            Method::PUT,
            &url,
            "application/octet-stream",
            content,
            Some(self.token()),
        )
        .await?
        .ok()
    }

    /// Makes a folder; gives the item.
    ///
    /// # Errors
    /// When it is refused, for example because the name is taken.
    pub async fn make_folder(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
    ) -> anyhow::Result<Value> {
        let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
        self.call(Method::POST, &format!("/v1.0/drives/{drive}/items/{parent}/children"), &body)
            .await?
            .ok()
    }

    /// Changes an item: `name`, `parentReference`, `fileSystemInfo`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn patch(&self, drive: &str, item: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, &format!("/v1.0/drives/{drive}/items/{item}"), body).await?.ok()
    }

    /// # Errors
    /// When it is refused.
    pub async fn delete(&self, drive: &str, item: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, &format!("/v1.0/drives/{drive}/items/{item}"), &Value::Null)
            .await?
            .ok()?;
        Ok(())
    }

    /// Gives a user a role on an item.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn invite(
        &self,
        drive: &str,
        item: &str,
        user: &str,
        role: &str,
    ) -> anyhow::Result<()> {
        let body = json!({"recipients": [{"objectId": user}], "roles": [role], "requireSignIn": true, "sendInvitation": false});
        self.call(Method::POST, &format!("/v1.0/drives/{drive}/items/{item}/invite"), &body)
            .await?
            .ok()?;
        Ok(())
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// When they are refused.
    pub async fn content(&self, drive: &str, item: &str) -> anyhow::Result<Bytes> {
        let path = format!("/v1.0/drives/{drive}/items/{item}/content");
        let answer = self.call(Method::GET, &path, &Value::Null).await?;
        let Some(url) = answer.location else { anyhow::bail!("no location: {}", answer.status) };
        let answer = self
            .send(self.tenant.router(), Method::GET, &url, "text/plain", Bytes::new(), None)
            .await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "{}", answer.status);
        Ok(answer.bytes)
    }
}
