//! Restore sessions (`spec/api.md` section 13; the update operation: `docs/decisions/0002`).

use crate::named::named;
use crate::{
    PolicyId, PublicError, RestoreSessionId, Stamps, TenantId, Timestamp, TransitionError, Workload,
};

/// `restoreSessionBase` and what derives from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSession {
    pub id: RestoreSessionId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub kind: RestoreJobType,
    /// Every unit that is restored belongs to this policy (beta).
    pub policy: Option<PolicyId>,
    /// What happens to an item that stands where a granular restore wants to write (beta).
    pub conflict_behavior: ConflictBehavior,
    /// Granular items keep the permissions they had, instead of taking those of the folder they land in.
    pub keeps_item_permissions: bool,
    pub state: RestoreState,
    pub error: Option<PublicError>,
    pub stamps: Stamps,
}

impl RestoreSession {
    /// An empty draft.
    #[must_use]
    pub fn draft(
        id: RestoreSessionId,
        tenant: TenantId,
        workload: Workload,
        stamps: Stamps,
    ) -> Self {
        Self {
            id,
            tenant,
            workload,
            kind: RestoreJobType::Standard,
            policy: None,
            conflict_behavior: ConflictBehavior::Fail,
            keeps_item_permissions: false,
            state: RestoreState::Draft,
            error: None,
            stamps,
        }
    }
}

named! {
    /// `microsoft.graph.restoreJobType`
    RestoreJobType {
        /// Whole units, given one by one.
        Standard = "standard",
        /// Whole units, given by a bulk request.
        Bulk = "bulk",
        /// Parts of units.
        Granular = "granular",
    }
}

named! {
    /// `@microsoft.graph.conflictBehavior`
    ConflictBehavior { Fail = "fail", Replace = "replace", Rename = "rename" }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreState {
    Draft,
    /// All artifacts are being scheduled.
    Activating {
        requested_at: Timestamp,
    },
    /// At least one artifact is scheduled or in progress.
    Active {
        started_at: Timestamp,
    },
    Ended {
        ended_at: Timestamp,
        outcome: RestoreOutcome,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    Completed,
    CompletedWithError,
    Failed,
}

/// `restoreSessionArtifactCount`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArtifactTally {
    pub total: u64,
    /// Succeeded, with or without failures of single items.
    pub completed: u64,
    pub in_progress: u64,
    pub failed: u64,
    /// Among `completed`: those of which some items could not be restored.
    pub with_item_failures: u64,
}

/// What a client asks for with `status` in the first published body of the update operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedStatus {
    Draft,
    Activating,
    Active,
    CompletedWithError,
    Completed,
    Failed,
}

/// What such a request amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRequest {
    /// The session has that status already.
    NoChange,
    /// The same as `activate`.
    Activate,
}

impl RestoreState {
    /// The published `restoreSessionStatus`, before `failed` is hidden from clients that did not ask for it.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Activating { .. } => "activating",
            Self::Active { .. } => "active",
            Self::Ended { outcome: RestoreOutcome::Completed, .. } => "completed",
            Self::Ended { outcome: RestoreOutcome::CompletedWithError, .. } => "completedWithError",
            Self::Ended { outcome: RestoreOutcome::Failed, .. } => "failed",
        }
    }

    /// `completedDateTime`
    #[must_use]
    pub fn completed_at(self) -> Option<Timestamp> {
        match self {
            Self::Ended { ended_at, .. } => Some(ended_at),
            Self::Draft | Self::Activating { .. } | Self::Active { .. } => None,
        }
    }

    /// Does the session count against the limit of sessions active at once?
    #[must_use]
    pub fn is_running(self) -> bool {
        match self {
            Self::Activating { .. } | Self::Active { .. } => true,
            Self::Draft | Self::Ended { .. } => false,
        }
    }

    /// Artifacts are added, changed or removed.
    ///
    /// # Errors
    /// Outside draft.
    pub fn change_artifacts(self) -> Result<Self, TransitionError> {
        self.only_draft("changeArtifacts").map(|()| Self::Draft)
    }

    /// May the session be deleted?
    ///
    /// # Errors
    /// Outside draft.
    pub fn delete(self) -> Result<(), TransitionError> {
        self.only_draft("delete")
    }

    /// `activate`
    ///
    /// # Errors
    /// Outside draft.
    pub fn activate(self, now: Timestamp) -> Result<Self, TransitionError> {
        self.only_draft("activate").map(|()| Self::Activating { requested_at: now })
    }

    /// `status` in the body of an update: the present value changes nothing, `activating` or `active` activates a draft.
    ///
    /// # Errors
    /// For every other wish: the rest is the engine's to say.
    pub fn request_status(self, wish: RequestedStatus) -> Result<StatusRequest, TransitionError> {
        let same = match (self, wish) {
            (Self::Draft, RequestedStatus::Draft)
            | (Self::Activating { .. }, RequestedStatus::Activating)
            | (Self::Active { .. }, RequestedStatus::Active)
            | (
                Self::Ended { outcome: RestoreOutcome::Completed, .. },
                RequestedStatus::Completed,
            )
            | (
                Self::Ended { outcome: RestoreOutcome::CompletedWithError, .. },
                RequestedStatus::CompletedWithError,
            )
            | (Self::Ended { outcome: RestoreOutcome::Failed, .. }, RequestedStatus::Failed) => {
                true
            }
            (
                Self::Draft | Self::Activating { .. } | Self::Active { .. } | Self::Ended { .. },
                _,
            ) => false,
        };
        if same {
            return Ok(StatusRequest::NoChange);
        }
        match (self, wish) {
            (Self::Draft, RequestedStatus::Activating | RequestedStatus::Active) => {
                Ok(StatusRequest::Activate)
            }
            (
                Self::Draft | Self::Activating { .. } | Self::Active { .. } | Self::Ended { .. },
                _,
            ) => Err(self.refuse("requestStatus")),
        }
    }

    /// The engine has scheduled all artifacts.
    ///
    /// # Errors
    /// When the session was not activating.
    pub fn start(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Activating { .. } => Ok(Self::Active { started_at: now }),
            Self::Draft | Self::Active { .. } | Self::Ended { .. } => Err(self.refuse("start")),
        }
    }

    /// An artifact has ended: has the session?
    ///
    /// # Errors
    /// When the session was not active.
    pub fn settle(self, artifacts: ArtifactTally, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Active { .. } if artifacts.completed + artifacts.failed < artifacts.total => {
                Ok(self)
            }
            Self::Active { .. } => {
                let outcome = if artifacts.failed == artifacts.total {
                    RestoreOutcome::Failed
                } else if artifacts.failed > 0 || artifacts.with_item_failures > 0 {
                    RestoreOutcome::CompletedWithError
                } else {
                    RestoreOutcome::Completed
                };
                Ok(Self::Ended { ended_at: now, outcome })
            }
            Self::Draft | Self::Activating { .. } | Self::Ended { .. } => {
                Err(self.refuse("settle"))
            }
        }
    }

    fn only_draft(self, event: &'static str) -> Result<(), TransitionError> {
        match self {
            Self::Draft => Ok(()),
            Self::Activating { .. } | Self::Active { .. } | Self::Ended { .. } => {
                Err(self.refuse(event))
            }
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.status() }
    }
}
