//! What a unit protects, as the tenant has it now: a site with its libraries, or the one drive of a user.

use holdfast_connector::{Connector, ConnectorError, Drive, Owner, Site, UserDrive};
use holdfast_domain::{DriveId, ProtectionUnit, Workload};

use crate::backup::layout::UnitRecord;
use crate::error::JobError;

#[derive(Debug, Clone)]
pub(crate) enum Resource {
    Site(Site),
    Drive(UserDrive),
}

impl Resource {
    /// `None` when the site, the user, or the user's drive is gone.
    ///
    /// # Errors
    /// For a mailbox: no backup of mailboxes is built.
    pub(crate) async fn find(
        connector: &dyn Connector,
        unit: &ProtectionUnit,
    ) -> Result<Option<Self>, JobError> {
        match unit.workload {
            Workload::SharePoint => Ok(connector.site(&unit.resource).await?.map(Self::Site)),
            Workload::OneDrive => Ok(connector.user_drive(&unit.resource).await?.map(Self::Drive)),
            Workload::Exchange => Err(JobError::give_up(
                "OperationNotAllowed",
                "Mailbox backup is not built yet: this mailbox is not protected.",
            )),
        }
    }

    /// The drive that a restore point was taken of, when its owner is no longer there: it outlives its owner as an
    /// orphan (`spec/behaviour.md` 4.4). `None` when the drive is gone too.
    pub(crate) async fn find_orphan(
        connector: &dyn Connector,
        record: &UnitRecord,
    ) -> Result<Option<Self>, JobError> {
        let (Some(owner), Some(library)) = (&record.owner, record.libraries.first()) else {
            return Ok(None);
        };
        let drive = connector.drive(&DriveId::new(library.drive_id.clone())).await?;
        Ok(drive.map(|drive| {
            Self::Drive(UserDrive {
                owner: Owner {
                    id: owner.directory_object_id.clone(),
                    display_name: record.site_display_name.clone(),
                    email: owner.email.clone(),
                },
                site: record.site(),
                drive,
            })
        }))
    }

    /// The site, of which a drive is the only library.
    pub(crate) fn site(&self) -> &Site {
        match self {
            Self::Site(site) => site,
            Self::Drive(drive) => &drive.site,
        }
    }

    /// The drive's owner.
    pub(crate) fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Site(_) => None,
            Self::Drive(drive) => Some(&drive.owner),
        }
    }

    /// The site's title, or the name of the drive's owner.
    pub(crate) fn display_name(&self) -> &str {
        &self.site().display_name
    }

    pub(crate) fn web_url(&self) -> &str {
        match self {
            Self::Site(site) => &site.web_url,
            Self::Drive(drive) => &drive.drive.web_url,
        }
    }

    /// The libraries as they are now.
    pub(crate) async fn drives(
        &self,
        connector: &dyn Connector,
    ) -> Result<Vec<Drive>, ConnectorError> {
        match self {
            Self::Site(site) => connector.drives(&site.id).await,
            // One that went away meanwhile is no empty drive.
            Self::Drive(known) => {
                Ok(vec![connector.drive(&known.drive.id).await?.ok_or(ConnectorError::NotFound)?])
            }
        }
    }
}
