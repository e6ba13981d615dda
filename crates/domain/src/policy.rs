//! Protection policies (`spec/api.md` section 7).

use crate::named::named;
use crate::{PolicyId, Retention, Stamps, TenantId, TransitionError};

/// `protectionPolicyBase` and what derives from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionPolicy {
    pub id: PolicyId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub display_name: String,
    pub mode: ProtectionMode,
    pub retention: Retention,
    pub state: PolicyState,
    pub stamps: Stamps,
}

impl ProtectionPolicy {
    /// An inactive policy for the units that it is given.
    #[must_use]
    pub fn new(
        id: PolicyId,
        tenant: TenantId,
        workload: Workload,
        display_name: String,
        stamps: Stamps,
    ) -> Self {
        Self {
            id,
            tenant,
            workload,
            display_name,
            mode: ProtectionMode::Standard,
            retention: Retention::default(),
            state: PolicyState::Inactive,
            stamps,
        }
    }
}

named! {
    /// `microsoft.graph.backupPolicyProtectionMode` (beta)
    ProtectionMode {
        /// The units that were given.
        Standard = "standard",
        /// Everything in the workload but the policy's exclusion units.
        FullService = "fullServiceBackup",
    }
}

named! {
    /// The three kinds of data that Microsoft 365 Backup knows.
    Workload { SharePoint = "sharePoint", OneDrive = "oneDrive", Exchange = "exchange" }
}

impl Workload {
    pub const ALL: [Self; 3] = [Self::SharePoint, Self::OneDrive, Self::Exchange];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// Never activated, or all units unprotected after deactivation.
    Inactive,
    /// At least one unit is on its way to being protected, unprotected or removed.
    Updating {
        towards: PolicyGoal,
    },
    Active,
    /// Some units are protected, some could not be.
    ActiveWithErrors,
}

/// Where an updating policy will settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyGoal {
    Active,
    Inactive,
}

/// What a policy's units say when an update may have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitTally {
    /// Units in `protectRequested`, `unprotectRequested` or `removeRequested`.
    pub on_the_way: u64,
    pub protected: u64,
    /// Units that are unprotected because their first backup failed.
    pub failed: u64,
}

impl PolicyState {
    /// The published `protectionPolicyStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Updating { .. } => "updating",
            Self::Active => "active",
            Self::ActiveWithErrors => "activeWithErrors",
        }
    }

    /// Do this policy's units get restore points, or will they?
    #[must_use]
    pub fn protects(self) -> bool {
        match self {
            Self::Active
            | Self::ActiveWithErrors
            | Self::Updating { towards: PolicyGoal::Active } => true,
            Self::Inactive | Self::Updating { towards: PolicyGoal::Inactive } => false,
        }
    }

    /// `activate`; the caller moves every unit to `protectRequested`.
    ///
    /// # Errors
    /// When the policy is neither inactive nor active with errors.
    pub fn activate(self) -> Result<Self, TransitionError> {
        match self {
            Self::Inactive | Self::ActiveWithErrors => {
                Ok(Self::Updating { towards: PolicyGoal::Active })
            }
            Self::Updating { .. } | Self::Active => Err(self.refuse("activate")),
        }
    }

    /// `deactivate`; the caller moves every unit to `unprotectRequested`.
    ///
    /// # Errors
    /// When the policy is not active, with errors or without.
    pub fn deactivate(self) -> Result<Self, TransitionError> {
        match self {
            Self::Active | Self::ActiveWithErrors => {
                Ok(Self::Updating { towards: PolicyGoal::Inactive })
            }
            Self::Inactive | Self::Updating { .. } => Err(self.refuse("deactivate")),
        }
    }

    /// Units were added or removed.
    ///
    /// # Errors
    /// None today: units may change in every state.
    pub fn change_units(self) -> Result<Self, TransitionError> {
        match self {
            Self::Inactive => Ok(Self::Inactive),
            Self::Active | Self::ActiveWithErrors => {
                Ok(Self::Updating { towards: PolicyGoal::Active })
            }
            Self::Updating { towards } => Ok(Self::Updating { towards }),
        }
    }

    /// A unit reached its end state: where does that leave the policy?
    ///
    /// # Errors
    /// None today.
    pub fn settle(self, units: UnitTally) -> Result<Self, TransitionError> {
        match self {
            Self::Updating { .. } if units.on_the_way > 0 => Ok(self),
            Self::Updating { towards: PolicyGoal::Inactive } => Ok(Self::Inactive),
            Self::Updating { towards: PolicyGoal::Active } if units.failed > 0 => {
                Ok(Self::ActiveWithErrors)
            }
            Self::Updating { towards: PolicyGoal::Active } => Ok(Self::Active),
            Self::Inactive | Self::Active | Self::ActiveWithErrors => Ok(self),
        }
    }

    /// May the policy be deleted?
    ///
    /// # Errors
    /// When it is not inactive.
    pub fn delete(self) -> Result<(), TransitionError> {
        match self {
            Self::Inactive => Ok(()),
            Self::Updating { .. } | Self::Active | Self::ActiveWithErrors => {
                Err(self.refuse("delete"))
            }
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.status() }
    }
}
