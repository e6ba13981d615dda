//! The state of the backup service in a tenant (`spec/api.md` section 6).

use crate::{Actor, TenantId, Timestamp, TransitionError, limits};

/// A tenant's `serviceStatus`, and which application may control it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub tenant: TenantId,
    pub state: ServiceState,
    pub disable_reason: DisableReason,
    /// When the controller application was deleted; protection is locked [`limits::CONTROLLER_GRACE`] later, unless another
    /// one takes over.
    pub controller_deleted_at: Option<Timestamp>,
    /// The tenant that owns the controller application, as `enable` named it.
    pub app_owner_tenant: Option<TenantId>,
    pub last_modified_by: Actor,
    pub last_modified_at: Timestamp,
}

impl Service {
    /// What time alone has made of it by `now`: a service that lost its controller is locked, and locked further.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        if let (ServiceState::Enabled, Some(deleted_at)) = (self.state, self.controller_deleted_at)
        {
            let since = deleted_at.plus(limits::CONTROLLER_GRACE);
            if since <= now {
                self.state = ServiceState::ProtectionChangeLocked { since };
                self.disable_reason = DisableReason::ControllerServiceAppDeleted;
            }
        }
        if let ServiceState::ProtectionChangeLocked { since } = self.state {
            let since = since.plus(limits::RESTORE_GRACE);
            if since <= now {
                self.state = ServiceState::RestoreLocked { since };
            }
        }
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    Disabled,
    Enabled,
    /// Restores go on; protection cannot be changed.
    ProtectionChangeLocked {
        since: Timestamp,
    },
    /// Reading only.
    RestoreLocked {
        since: Timestamp,
    },
}

/// `microsoft.graph.disableReason`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisableReason {
    None,
    InvalidBillingProfile,
    UserRequested,
    ControllerServiceAppDeleted,
}

impl ServiceState {
    /// The published `backupServiceStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::ProtectionChangeLocked { .. } => "protectionChangeLocked",
            Self::RestoreLocked { .. } => "restoreLocked",
        }
    }

    /// May policies and units be made or changed?
    #[must_use]
    pub fn allows_protection_change(self) -> bool {
        match self {
            Self::Enabled => true,
            Self::Disabled | Self::ProtectionChangeLocked { .. } | Self::RestoreLocked { .. } => {
                false
            }
        }
    }

    /// May restore sessions be made and activated?
    #[must_use]
    pub fn allows_restore(self) -> bool {
        match self {
            Self::Enabled | Self::ProtectionChangeLocked { .. } => true,
            Self::Disabled | Self::RestoreLocked { .. } => false,
        }
    }

    /// `enable`: idempotent, and the way back from every lock. The caller has checked that a controller is active.
    ///
    /// # Errors
    /// None today; the signature is that of every transition.
    pub fn enable(self) -> Result<Self, TransitionError> {
        match self {
            Self::Disabled
            | Self::Enabled
            | Self::ProtectionChangeLocked { .. }
            | Self::RestoreLocked { .. } => Ok(Self::Enabled),
        }
    }

    /// The controller or its billing is gone: protection cannot be changed from now on.
    ///
    /// # Errors
    /// When the service is not enabled.
    pub fn lock_protection_changes(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Enabled => Ok(Self::ProtectionChangeLocked { since: now }),
            Self::Disabled | Self::ProtectionChangeLocked { .. } | Self::RestoreLocked { .. } => {
                Err(self.refuse("lockProtectionChanges"))
            }
        }
    }

    /// Thirty days later restores are refused too.
    ///
    /// # Errors
    /// When protection changes were not locked before.
    pub fn lock_restores(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::ProtectionChangeLocked { .. } => Ok(Self::RestoreLocked { since: now }),
            Self::Disabled | Self::Enabled | Self::RestoreLocked { .. } => {
                Err(self.refuse("lockRestores"))
            }
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.status() }
    }
}
