//! [`Connector`] over Microsoft Graph: a real tenant or the embedded one, by the same requests.
//!
//! Calling pattern and traps: `spec/graph-content-api.md` section 13. Items are addressed by drive id and item id, new
//! ones by parent id and name; a path never becomes an address. Every answer's status decides before its body is read.

mod client;
mod download;
mod parse;
mod token;
mod transport;
mod upload;

use std::sync::Arc;

use async_trait::async_trait;
use client::{Call, Client, Failure};
use download::ITEM_SELECT;
use holdfast_connector::{
    ChangePage, Connector, ConnectorError, ContentStream, Drive, DriveItem, Grant, ItemUpdate,
    NewSite, Permission, PermissionUpdate, Site, SiteSummary, Times, Upload, User, UserDrive,
};
use holdfast_domain::{Clock, DriveId, Entropy, ItemId, Timestamp};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

pub use token::Credentials;
pub use transport::{Https, InProcess, Transport};

/// Items in a delta page; the service may give fewer.
const DELTA_PAGE: u32 = 1000;
/// What [`parse::drive`] needs.
const DRIVE_SELECT: &str = "id,name,description,webUrl";
/// Items in a page of a folder.
const CHILDREN_PAGE: u32 = 1000;
/// Pages of one listing before it counts as endless.
const LISTING_PAGES: u32 = 10_000;

/// What is read of a user.
const USER_SELECT: &str = "id,displayName,mail,userPrincipalName";
/// Users in a page; the service gives no more.
const USER_PAGE: u32 = 999;

/// One tenant over Graph.
pub struct GraphConnector {
    client: Arc<Client>,
}

impl GraphConnector {
    /// `base` is the service's root, for example `https://graph.microsoft.com`.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        base: String,
        credentials: Credentials,
    ) -> Self {
        Self { client: Arc::new(Client::new(transport, clock, entropy, base, credentials)) }
    }

    fn item_url(&self, drive: &DriveId, item: &ItemId) -> String {
        self.client.url(&format!("v1.0/drives/{drive}/items/{item}"))
    }

    /// Every object of a collection, over all its pages.
    async fn list(&self, url: String) -> Result<Vec<Value>, ConnectorError> {
        Ok(self.list_from(Call::new(Method::GET, url)).await?)
    }

    /// The same from a first request with its headers.
    async fn list_from(&self, first: Call) -> Result<Vec<Value>, Failure> {
        let mut values = Vec::new();
        let mut next = Some(first.url.clone());
        for _ in 0..LISTING_PAGES {
            let Some(url) = next else { return Ok(values) };
            let answer = self.client.json(Call { url, ..first.clone() }).await?;
            values.extend(parse::collection(&answer)?.iter().cloned());
            next = answer["@odata.nextLink"].as_str().map(str::to_owned);
        }
        Err(ConnectorError::Protocol("a listing has no end".to_owned()).into())
    }

    async fn site_of(&self, url: String) -> Result<Option<Site>, ConnectorError> {
        found(self.client.json(Call::new(Method::GET, url)).await)?
            .map(|site| parse::site(&site))
            .transpose()
    }

    async fn with_root(&self, drive: &Value) -> Result<Drive, ConnectorError> {
        let url =
            self.client.url(&format!("v1.0/drives/{}/root?$select=id", parse::text(drive, "id")?));
        parse::drive(drive, &self.client.json(Call::new(Method::GET, url)).await?)
    }
}

fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, ConnectorError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

#[async_trait]
impl Connector for GraphConnector {
    async fn now(&self) -> Result<Timestamp, ConnectorError> {
        Ok(self.client.service_now().await)
    }

    async fn site(&self, id: &str) -> Result<Option<Site>, ConnectorError> {
        self.site_of(
            self.client.url(&format!("v1.0/sites/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))),
        )
        .await
    }

    async fn site_by_path(&self, host: &str, path: &str) -> Result<Option<Site>, ConnectorError> {
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string())
            .collect();
        self.site_of(self.client.url(&format!("v1.0/sites/{host}:{}", segments.join("/")))).await
    }

    async fn sites(&self) -> Result<Vec<SiteSummary>, ConnectorError> {
        let mut sites = Vec::new();
        for value in self.list(self.client.url("v1.0/sites/getAllSites")).await? {
            sites.extend(parse::site_summary(&value)?);
        }
        Ok(sites)
    }

    async fn user(&self, id_or_upn: &str) -> Result<Option<User>, ConnectorError> {
        if id_or_upn.is_empty() {
            return Ok(None);
        }
        let id = utf8_percent_encode(id_or_upn, NON_ALPHANUMERIC);
        let url = self.client.url(&format!("v1.0/users/{id}?$select={USER_SELECT}"));
        found(self.client.json(Call::new(Method::GET, url)).await)?
            .map(|user| parse::user(&user))
            .transpose()
    }

    async fn users(&self) -> Result<Vec<User>, ConnectorError> {
        let url = format!("v1.0/users?$select={USER_SELECT}&$top={USER_PAGE}");
        let users = self.list(self.client.url(&url)).await?;
        users.iter().map(parse::user).collect()
    }

    async fn group_members(&self, group: &str) -> Result<Option<Vec<User>>, ConnectorError> {
        if group.is_empty() {
            return Ok(None);
        }
        let url = self.client.url(&format!(
            "v1.0/groups/{}/transitiveMembers/microsoft.graph.user?$select={USER_SELECT}&$top={USER_PAGE}&$count=true",
            utf8_percent_encode(group, NON_ALPHANUMERIC)
        ));
        // The service takes a cast only with both, `$count` and the header.
        let call = Call::new(Method::GET, url).header("consistencylevel", "eventual");
        found(self.list_from(call).await)?
            .map(|users| users.iter().map(parse::user).collect())
            .transpose()
    }

    async fn role_holders(&self, template: &str) -> Result<Vec<User>, ConnectorError> {
        let url = self.client.url(&format!(
            "v1.0/directoryRoles(roleTemplateId='{}')/members?$select={USER_SELECT}",
            utf8_percent_encode(template, NON_ALPHANUMERIC)
        ));
        // A role that was never given to anybody is not found. Groups and applications hold roles too; they have no address.
        let members = found(self.list_from(Call::new(Method::GET, url)).await)?.unwrap_or_default();
        let users =
            members.iter().filter(|member| member["@odata.type"] == "#microsoft.graph.user");
        users.map(parse::user).collect()
    }

    async fn drives(&self, site: &str) -> Result<Vec<Drive>, ConnectorError> {
        let url = self
            .client
            .url(&format!("v1.0/sites/{}/drives", utf8_percent_encode(site, NON_ALPHANUMERIC)));
        let mut drives = Vec::new();
        for drive in self.list(url).await? {
            drives.push(self.with_root(&drive).await?);
        }
        Ok(drives)
    }

    async fn user_drive(&self, user: &str) -> Result<Option<UserDrive>, ConnectorError> {
        let url = self.client.url(&format!(
            "v1.0/users/{}/drive?$select={DRIVE_SELECT},owner,sharePointIds",
            utf8_percent_encode(user, NON_ALPHANUMERIC)
        ));
        match found(self.client.json(Call::new(Method::GET, url)).await)? {
            Some(drive) => Ok(Some(parse::user_drive(&drive, self.with_root(&drive).await?)?)),
            None => Ok(None),
        }
    }

    async fn drive(&self, drive: &DriveId) -> Result<Option<Drive>, ConnectorError> {
        let url = self.client.url(&format!("v1.0/drives/{drive}?$select={DRIVE_SELECT}"));
        match found(self.client.json(Call::new(Method::GET, url)).await)? {
            Some(drive) => Ok(Some(self.with_root(&drive).await?)),
            None => Ok(None),
        }
    }

    async fn changes(
        &self,
        drive: &DriveId,
        link: Option<&str>,
    ) -> Result<ChangePage, ConnectorError> {
        let url = match link {
            Some(link) => link.to_owned(),
            None => self.client.url(&format!(
                "v1.0/drives/{drive}/root/delta?$top={DELTA_PAGE}&$select={ITEM_SELECT}"
            )),
        };
        match self
            .client
            .json(Call::new(Method::GET, url).header("deltaexcludeparent", "true"))
            .await
        {
            Ok(answer) => parse::change_page(drive, &answer),
            Err(Failure::Refused(refusal)) if is_resync(&refusal) => {
                Err(ConnectorError::ResyncRequired)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn item(
        &self,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<DriveItem>, ConnectorError> {
        let url = format!("{}?$select={ITEM_SELECT}", self.item_url(drive, item));
        found(self.client.json(Call::new(Method::GET, url)).await)?
            .map(|value| parse::item(drive, &value))
            .transpose()
    }

    async fn children(
        &self,
        drive: &DriveId,
        folder: &ItemId,
    ) -> Result<Vec<DriveItem>, ConnectorError> {
        let folder = self.item_url(drive, folder);
        let url = format!("{folder}/children?$top={CHILDREN_PAGE}&$select={ITEM_SELECT}");
        self.list(url).await?.iter().map(|value| parse::item(drive, value)).collect()
    }

    async fn child(
        &self,
        drive: &DriveId,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<DriveItem>, ConnectorError> {
        let name = utf8_percent_encode(name, upload::SEGMENT);
        let url = format!("{}:/{name}:?$select={ITEM_SELECT}", self.item_url(drive, folder));
        found(self.client.json(Call::new(Method::GET, url)).await)?
            .map(|value| parse::item(drive, &value))
            .transpose()
    }

    async fn read(&self, item: &DriveItem) -> Result<ContentStream, ConnectorError> {
        download::read(self.client.clone(), item).await
    }

    async fn direct_permissions(
        &self,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Vec<Permission>, ConnectorError> {
        let mut permissions = Vec::new();
        for value in self.list(format!("{}/permissions", self.item_url(drive, item))).await? {
            permissions.extend(parse::direct_permission(&value)?);
        }
        Ok(permissions)
    }

    async fn create_folder(
        &self,
        drive: &DriveId,
        parent: &ItemId,
        name: &str,
        times: Times,
    ) -> Result<DriveItem, ConnectorError> {
        let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail", "fileSystemInfo": upload::file_system_info(times)});
        let call = Call::new(Method::POST, format!("{}/children", self.item_url(drive, parent)))
            .json(&body);
        match self.client.json(call).await {
            Ok(answer) => parse::item(drive, &answer),
            // Made by an attempt whose answer was lost, or by somebody else: `replace` gives it back as it is.
            Err(Failure::Refused(refusal)) if refusal.status == StatusCode::CONFLICT => {
                let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "replace"});
                let call =
                    Call::new(Method::POST, format!("{}/children", self.item_url(drive, parent)))
                        .json(&body);
                parse::item(drive, &self.client.json(call).await?)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<DriveItem, ConnectorError> {
        upload::upload(&self.client, upload).await
    }

    async fn update_item(
        &self,
        drive: &DriveId,
        item: &ItemId,
        update: ItemUpdate,
    ) -> Result<DriveItem, ConnectorError> {
        let mut body = json!({});
        if let Some(name) = update.name {
            body["name"] = json!(name);
        }
        if let Some(parent) = update.parent {
            body["parentReference"] = json!({"id": parent.as_str()});
        }
        if let Some(times) = update.times {
            body["fileSystemInfo"] = upload::file_system_info(times);
        }
        parse::item(
            drive,
            &self
                .client
                .json(Call::new(Method::PATCH, self.item_url(drive, item)).json(&body))
                .await?,
        )
    }

    async fn delete_item(&self, drive: &DriveId, item: &ItemId) -> Result<(), ConnectorError> {
        found(self.client.json(Call::new(Method::DELETE, self.item_url(drive, item))).await)
            .map(|_| ())
    }

    async fn update_permission(
        &self,
        drive: &DriveId,
        item: &ItemId,
        update: PermissionUpdate,
    ) -> Result<(), ConnectorError> {
        let item = self.item_url(drive, item);
        let call = match update {
            PermissionUpdate::Remove(id) => Call::new(
                Method::DELETE,
                format!("{item}/permissions/{}", utf8_percent_encode(&id, NON_ALPHANUMERIC)),
            ),
            PermissionUpdate::Add(Grant::Principal { id, roles, .. }) => {
                let body = json!({"recipients": [{"objectId": id}], "roles": roles, "requireSignIn": true, "sendInvitation": false});
                Call::new(Method::POST, format!("{item}/invite")).json(&body)
            }
            PermissionUpdate::Add(Grant::Link { kind, scope }) => {
                Call::new(Method::POST, format!("{item}/createLink"))
                    .json(&json!({"type": kind, "scope": scope}))
            }
        };
        found(self.client.json(call).await).map(|_| ())
    }

    async fn create_site(&self, site: NewSite) -> Result<Site, ConnectorError> {
        let name = site.path.rsplit('/').next().unwrap_or_default();
        let body = json!({"name": name, "displayName": site.display_name, "webUrl": format!("https://{}{}", site.host, site.path), "template": "sts"});
        parse::site(
            &self
                .client
                .json(Call::new(Method::POST, self.client.url("beta/sites")).json(&body))
                .await?,
        )
    }

    async fn create_library(&self, site: &str, name: &str) -> Result<Drive, ConnectorError> {
        let lists = self
            .client
            .url(&format!("v1.0/sites/{}/lists", utf8_percent_encode(site, NON_ALPHANUMERIC)));
        let list = self
            .client
            .json(
                Call::new(Method::POST, &lists)
                    .json(&json!({"displayName": name, "list": {"template": "documentLibrary"}})),
            )
            .await?;
        let drive = self
            .client
            .json(Call::new(Method::GET, format!("{lists}/{}/drive", parse::text(&list, "id")?)))
            .await?;
        self.with_root(&drive).await
    }

    async fn delete_library(&self, site: &str, drive: &DriveId) -> Result<(), ConnectorError> {
        let list = self
            .client
            .json(Call::new(Method::GET, self.client.url(&format!("v1.0/drives/{drive}/list"))))
            .await?;
        let url = self.client.url(&format!(
            "v1.0/sites/{}/lists/{}",
            utf8_percent_encode(site, NON_ALPHANUMERIC),
            parse::text(&list, "id")?
        ));
        found(self.client.json(Call::new(Method::DELETE, url)).await).map(|_| ())
    }

    async fn lock_site(&self, site: &str, locked: bool) -> Result<(), ConnectorError> {
        let url =
            self.client.url(&format!("beta/sites/{}", utf8_percent_encode(site, NON_ALPHANUMERIC)));
        let body = json!({"lockState": if locked { "readOnly" } else { "unlocked" }});
        match self.client.json(Call::new(Method::PATCH, url).json(&body)).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused(refusal)) if refusal.status == StatusCode::BAD_REQUEST => {
                Err(ConnectorError::NotSupported("locking a site"))
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// All the ways in which services say that a delta link is too old.
fn is_resync(refusal: &client::Refusal) -> bool {
    let says = |code: &str| {
        let code = code.to_ascii_lowercase();
        code.starts_with("resync") || code == "syncstatenotfound" || code == "syncstateinvalid"
    };
    refusal.status == StatusCode::GONE || says(&refusal.code) || says(&refusal.inner_code)
}
