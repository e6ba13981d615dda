//! What the engine asks of a workload: list changes, read, write back. One trait, spoken over Graph by `connector-graph`.
//!
//! Ids, tags and links are the service's own texts. Names are data: no method takes a path.

mod error;
mod model;

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use holdfast_domain::{DriveId, ItemId, Timestamp};

pub use error::ConnectorError;
pub use model::{
    Change, ChangePage, Drive, DriveItem, FileFacts, Grant, ItemFacts, ItemUpdate, NewSite, Owner,
    Permission, PermissionUpdate, Site, SiteSummary, Times, Upload, UploadTarget, User, UserDrive,
};

/// Bytes as they arrive. Ends with an error when the transfer broke or the bytes are not what the service announced.
pub type ContentStream = Pin<Box<dyn Stream<Item = Result<Bytes, ConnectorError>> + Send>>;

/// Opens the same content from its first byte, as often as asked: an upload that breaks reads it again.
pub trait ContentSource: Send + Sync {
    /// The bytes from `offset` on.
    fn open(&self, offset: u64) -> ContentStream;
}

/// A tenant's sites, drives and items.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The service's time, from its latest answer.
    async fn now(&self) -> Result<Timestamp, ConnectorError>;

    async fn site(&self, id: &str) -> Result<Option<Site>, ConnectorError>;

    /// By host name and server-relative path, for example `contoso.sharepoint.com` and `/sites/marketing`.
    async fn site_by_path(&self, host: &str, path: &str) -> Result<Option<Site>, ConnectorError>;

    /// Every site of the tenant but people's personal ones (OneDrive), subsites among them where the service lists them.
    async fn sites(&self) -> Result<Vec<SiteSummary>, ConnectorError>;

    /// By directory id or user principal name.
    async fn user(&self, id_or_upn: &str) -> Result<Option<User>, ConnectorError>;

    /// Everybody in the directory who can have a mailbox or a OneDrive.
    async fn users(&self) -> Result<Vec<User>, ConnectorError>;

    /// The people in a group, those of groups in it too, each once. `None` when there is no such group.
    async fn group_members(&self, group: &str) -> Result<Option<Vec<User>>, ConnectorError>;

    /// The people who hold a directory role themselves, by the role's template id.
    async fn role_holders(&self, template: &str) -> Result<Vec<User>, ConnectorError>;

    /// The document libraries of a site, in the service's order.
    async fn drives(&self, site: &str) -> Result<Vec<Drive>, ConnectorError>;

    /// A user's OneDrive, by the user's directory object id. `None` when there is no such user, or no drive of theirs: the
    /// drive of a deleted user can still be reached by its own id.
    async fn user_drive(&self, user: &str) -> Result<Option<UserDrive>, ConnectorError>;

    async fn drive(&self, drive: &DriveId) -> Result<Option<Drive>, ConnectorError>;

    /// One page of a drive's changes. `link` is that of the page before, or of the last round; `None` lists everything.
    ///
    /// # Errors
    /// [`ConnectorError::ResyncRequired`] when `link` is too old: start again without one.
    async fn changes(
        &self,
        drive: &DriveId,
        link: Option<&str>,
    ) -> Result<ChangePage, ConnectorError>;

    async fn item(
        &self,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<DriveItem>, ConnectorError>;

    /// What is directly in a folder.
    async fn children(
        &self,
        drive: &DriveId,
        folder: &ItemId,
    ) -> Result<Vec<DriveItem>, ConnectorError>;

    /// The item of that name in a folder, in any letter case.
    async fn child(
        &self,
        drive: &DriveId,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<DriveItem>, ConnectorError>;

    /// The content of a file as it is now. The stream fails at its end unless length and quickXorHash are those of `item`.
    async fn read(&self, item: &DriveItem) -> Result<ContentStream, ConnectorError>;

    /// The permissions granted on the item itself; inherited ones are left out.
    async fn direct_permissions(
        &self,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Vec<Permission>, ConnectorError>;

    /// Makes a folder. A folder of that name that exists already is given back as it is.
    async fn create_folder(
        &self,
        drive: &DriveId,
        parent: &ItemId,
        name: &str,
        times: Times,
    ) -> Result<DriveItem, ConnectorError>;

    /// Makes or replaces a file, whole or not at all.
    async fn upload(&self, upload: Upload<'_>) -> Result<DriveItem, ConnectorError>;

    async fn update_item(
        &self,
        drive: &DriveId,
        item: &ItemId,
        update: ItemUpdate,
    ) -> Result<DriveItem, ConnectorError>;

    /// Deletes an item with all below it. An item that is gone already is no error.
    async fn delete_item(&self, drive: &DriveId, item: &ItemId) -> Result<(), ConnectorError>;

    /// Adds or removes direct permissions.
    async fn update_permission(
        &self,
        drive: &DriveId,
        item: &ItemId,
        update: PermissionUpdate,
    ) -> Result<(), ConnectorError>;

    /// Makes a site. `AlreadyExists` when its path is taken.
    async fn create_site(&self, site: NewSite) -> Result<Site, ConnectorError>;

    /// Makes a document library.
    async fn create_library(&self, site: &str, name: &str) -> Result<Drive, ConnectorError>;

    /// Removes a document library with everything in it.
    async fn delete_library(&self, site: &str, drive: &DriveId) -> Result<(), ConnectorError>;

    /// Makes a site read-only, or writable again. A tenant may refuse ([`ConnectorError::NotSupported`]).
    async fn lock_site(&self, site: &str, locked: bool) -> Result<(), ConnectorError>;
}
