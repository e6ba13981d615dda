//! Restore artifacts: one unit's part in a restore session (`spec/api.md` section 13).

use crate::named::named;
use crate::{
    ArtifactId, BrowseSessionId, PublicError, RestorePointId, RestoreSession, RestoreSessionId,
    SearchResponseId, TenantId, Timestamp, TransitionError,
};

/// `restoreArtifactBase` with what `siteRestoreArtifact` adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreArtifact {
    pub id: ArtifactId,
    pub tenant: TenantId,
    pub session: RestoreSessionId,
    pub restore_point: RestorePointId,
    pub part: ArtifactPart,
    pub destination: DestinationType,
    pub state: ArtifactState,
    /// Set when it failed, and when it succeeded but single items could not be restored.
    pub error: Option<PublicError>,
    /// Where the data went.
    pub restored: Option<RestoredSite>,
    pub created_at: Timestamp,
}

impl RestoreArtifact {
    /// A part of `session` that waits for its activation.
    #[must_use]
    pub fn added(
        id: ArtifactId,
        session: &RestoreSession,
        restore_point: RestorePointId,
        part: ArtifactPart,
        destination: DestinationType,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant: session.tenant,
            session: session.id,
            restore_point,
            part,
            destination,
            state: ArtifactState::Added,
            error: None,
            restored: None,
            created_at: now,
        }
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.part == ArtifactPart::Whole
    }
}

/// What of its unit an artifact restores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactPart {
    /// Everything (`siteRestoreArtifact`, `driveRestoreArtifact`, `mailboxRestoreArtifact`).
    Whole,
    /// One item of a browse session, with all below it (`granularSiteRestoreArtifact`, `granularDriveRestoreArtifact`).
    Item {
        browse_session: BrowseSessionId,
        /// `itemKey` of the browse answer; the artifact's id on the wire.
        item_key: String,
        /// Where the item was.
        web_url: String,
        /// Where it is now.
        restored: Option<RestoredItem>,
    },
    /// What a search found in a mailbox (`granularMailboxRestoreArtifact`).
    Found { response: SearchResponseId },
}

/// `restoredItemKey`, `restoredItemPath`, `restoredItemWebUrl`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredItem {
    pub key: String,
    /// The folder that received everything.
    pub path: String,
    pub web_url: String,
}

named! {
    /// `microsoft.graph.destinationType`
    DestinationType { New = "new", InPlace = "inPlace" }
}

/// `restoredSiteId`, `restoredSiteName`, `restoredSiteWebUrl`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredSite {
    pub id: String,
    pub name: String,
    pub web_url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactState {
    Added,
    Scheduling,
    Scheduled,
    InProgress { started_at: Timestamp },
    Succeeded { started_at: Timestamp, ended_at: Timestamp },
    Failed { started_at: Option<Timestamp>, ended_at: Timestamp },
}

impl ArtifactState {
    /// The published `artifactRestoreStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Scheduling => "scheduling",
            Self::Scheduled => "scheduled",
            Self::InProgress { .. } => "inProgress",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }

    /// `startDateTime`
    #[must_use]
    pub fn started_at(self) -> Option<Timestamp> {
        match self {
            Self::InProgress { started_at } | Self::Succeeded { started_at, .. } => {
                Some(started_at)
            }
            Self::Failed { started_at, .. } => started_at,
            Self::Added | Self::Scheduling | Self::Scheduled => None,
        }
    }

    /// `completionDateTime`
    #[must_use]
    pub fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { ended_at, .. } | Self::Failed { ended_at, .. } => Some(ended_at),
            Self::Added | Self::Scheduling | Self::Scheduled | Self::InProgress { .. } => None,
        }
    }

    /// Its session was activated.
    ///
    /// # Errors
    /// When it was scheduled before.
    pub fn schedule(self) -> Result<Self, TransitionError> {
        match self {
            Self::Added => Ok(Self::Scheduling),
            Self::Scheduling
            | Self::Scheduled
            | Self::InProgress { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. } => Err(self.refuse("schedule")),
        }
    }

    /// The activation is carried out.
    ///
    /// # Errors
    /// When the activation has not begun, or was carried out before.
    pub fn scheduled(self) -> Result<Self, TransitionError> {
        match self {
            Self::Scheduling => Ok(Self::Scheduled),
            Self::Added
            | Self::Scheduled
            | Self::InProgress { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. } => Err(self.refuse("scheduled")),
        }
    }

    /// A worker picks it up; again after a kill, which keeps the first start.
    ///
    /// # Errors
    /// When it is not scheduled, or has ended.
    pub fn start(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Scheduled => Ok(Self::InProgress { started_at: now }),
            Self::InProgress { started_at } => Ok(Self::InProgress { started_at }),
            Self::Added | Self::Scheduling | Self::Succeeded { .. } | Self::Failed { .. } => {
                Err(self.refuse("start"))
            }
        }
    }

    /// Everything is restored, or all but the items that `error` names.
    ///
    /// # Errors
    /// When it was not in progress.
    pub fn succeed(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::InProgress { started_at } => Ok(Self::Succeeded { started_at, ended_at: now }),
            Self::Added
            | Self::Scheduling
            | Self::Scheduled
            | Self::Succeeded { .. }
            | Self::Failed { .. } => Err(self.refuse("succeed")),
        }
    }

    /// Nothing was restored.
    ///
    /// # Errors
    /// When it has ended, or was never activated.
    pub fn fail(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Scheduling | Self::Scheduled => {
                Ok(Self::Failed { started_at: None, ended_at: now })
            }
            Self::InProgress { started_at } => {
                Ok(Self::Failed { started_at: Some(started_at), ended_at: now })
            }
            Self::Added | Self::Succeeded { .. } | Self::Failed { .. } => Err(self.refuse("fail")),
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.status() }
    }
}
