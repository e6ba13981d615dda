//! Controller applications (`spec/api.md` section 6): at most one controls protection at a time.

use crate::{Actor, AppId, TenantId, Timestamp, TransitionError};

/// `microsoft.graph.serviceApp`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceApp {
    /// The application (client) id.
    pub id: AppId,
    pub tenant: TenantId,
    pub state: ServiceAppState,
    pub registered_at: Timestamp,
    pub last_modified_by: Actor,
    pub last_modified_at: Timestamp,
}

impl ServiceApp {
    /// The first controller, which the operator's configuration names.
    #[must_use]
    pub fn first_controller(tenant: TenantId, id: AppId, now: Timestamp) -> Self {
        Self {
            id,
            tenant,
            state: ServiceAppState::Active { since: now },
            registered_at: now,
            last_modified_by: Actor::default(),
            last_modified_at: now,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAppState {
    Inactive,
    Active {
        since: Timestamp,
    },
    /// Controls from that time on; until then it reads only.
    PendingActive {
        effective_at: Timestamp,
    },
    /// Controls until that time.
    PendingInactive {
        effective_at: Timestamp,
    },
}

impl ServiceAppState {
    /// The published `serviceAppStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Active { .. } => "active",
            Self::PendingActive { .. } => "pendingActive",
            Self::PendingInactive { .. } => "pendingInactive",
        }
    }

    /// `effectiveDateTime`: since when it controls, or when a pending change takes effect.
    #[must_use]
    pub fn effective_at(self) -> Option<Timestamp> {
        match self {
            Self::Active { since: at }
            | Self::PendingActive { effective_at: at }
            | Self::PendingInactive { effective_at: at } => Some(at),
            Self::Inactive => None,
        }
    }

    /// Is a change pending?
    #[must_use]
    pub fn is_pending(self) -> bool {
        match self {
            Self::PendingActive { .. } | Self::PendingInactive { .. } => true,
            Self::Inactive | Self::Active { .. } => false,
        }
    }

    /// Does the application control protection?
    #[must_use]
    pub fn controls(self) -> bool {
        match self {
            Self::Active { .. } | Self::PendingInactive { .. } => true,
            Self::Inactive | Self::PendingActive { .. } => false,
        }
    }

    /// What a pending change has become by `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::PendingActive { effective_at } if effective_at <= now => {
                Self::Active { since: effective_at }
            }
            Self::PendingInactive { effective_at } if effective_at <= now => Self::Inactive,
            Self::Inactive
            | Self::Active { .. }
            | Self::PendingActive { .. }
            | Self::PendingInactive { .. } => self,
        }
    }

    /// `activate`: at once when nobody controls, else at `effective_at`.
    ///
    /// # Errors
    /// When it controls already, or a change is pending.
    pub fn activate(
        self,
        controlled_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, TransitionError> {
        match (self, controlled_until) {
            (Self::Inactive, None) => Ok(Self::Active { since: now }),
            (Self::Inactive, Some(effective_at)) => Ok(Self::PendingActive { effective_at }),
            (
                Self::Active { .. } | Self::PendingActive { .. } | Self::PendingInactive { .. },
                _,
            ) => Err(self.refuse("activate")),
        }
    }

    /// `deactivate`. A controller is not deactivated: control ends by another's activation, or by delete.
    ///
    /// # Errors
    /// While it is the controller and no change is pending.
    pub fn deactivate(self) -> Result<Self, TransitionError> {
        match self {
            Self::Inactive | Self::PendingActive { .. } => Ok(Self::Inactive),
            Self::PendingInactive { .. } => Ok(self),
            Self::Active { .. } => Err(self.refuse("deactivate")),
        }
    }

    /// The other application took its pending activation back.
    #[must_use]
    pub fn keep_control(self, now: Timestamp) -> Self {
        match self {
            Self::PendingInactive { .. } => Self::Active { since: now },
            Self::Inactive | Self::Active { .. } | Self::PendingActive { .. } => self,
        }
    }

    /// May it be deleted?
    ///
    /// # Errors
    /// While it hands control over.
    pub fn delete(self) -> Result<(), TransitionError> {
        match self {
            Self::Inactive | Self::Active { .. } | Self::PendingActive { .. } => Ok(()),
            Self::PendingInactive { .. } => Err(self.refuse("delete")),
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.status() }
    }
}
