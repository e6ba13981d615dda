//! Protection units (`spec/api.md` section 8).

use crate::{
    PolicyId, ProtectionPolicy, PublicError, Retention, Stamps, TenantId, Timestamp,
    TransitionError, UnitId, Workload,
};

/// `protectionUnitBase` and what derives from it: one site, drive or mailbox. It outlives its policy, since its restore points do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionUnit {
    pub id: UnitId,
    pub tenant: TenantId,
    pub workload: Workload,
    /// `siteId` of a site (`host,siteCollectionGuid,webGuid`), `directoryObjectId` of a drive or mailbox. Unique in its tenant and workload.
    pub resource: String,
    /// The owning policy; `None` when detached.
    pub policy: Option<PolicyId>,
    pub state: UnitState,
    /// What keeps it in its policy.
    pub sources: ProtectionSources,
    /// `siteName` or `displayName`; known after the first backup.
    pub name: Option<String>,
    /// `siteWebUrl`, or the address of a drive; known after the first backup.
    pub web_url: Option<String>,
    /// `email` of a drive's or mailbox's owner; known after the first backup.
    pub email: Option<String>,
    /// The last failure, until a backup succeeds.
    pub error: Option<PublicError>,
    /// When the next scheduled backup is due; `None` while no backups are wanted.
    pub next_backup_at: Option<Timestamp>,
    /// `billingPolicyId` (beta), only recorded: nothing is billed.
    pub billing_policy: Option<String>,
    /// The recovery window of its policy, or of the last one it was in.
    pub retention: Retention,
    pub stamps: Stamps,
}

impl ProtectionUnit {
    /// A unit in no policy, with nothing known about it yet.
    #[must_use]
    pub fn detached(
        id: UnitId,
        tenant: TenantId,
        workload: Workload,
        resource: String,
        stamps: Stamps,
    ) -> Self {
        Self {
            id,
            tenant,
            workload,
            resource,
            policy: None,
            state: UnitState::Detached,
            sources: ProtectionSources::default(),
            name: None,
            web_url: None,
            email: None,
            error: None,
            next_backup_at: None,
            billing_policy: None,
            retention: Retention::default(),
            stamps,
        }
    }
}

impl ProtectionUnit {
    /// Joins a policy. The recovery window becomes the policy's: at once when it is not shorter, or when there is nothing to lose;
    /// a window that waits in the policy is waited for here, too.
    ///
    /// # Errors
    /// When the unit is in a policy already, or its data is being destroyed.
    pub fn join(
        &mut self,
        policy: &ProtectionPolicy,
        sources: ProtectionSources,
        now: Timestamp,
    ) -> Result<(), TransitionError> {
        self.state = self.state.attach(policy.state.protects())?;
        self.policy = Some(policy.id);
        self.sources = sources;
        self.error = None;
        self.retention = match self.name {
            // Never backed up.
            None => policy.retention.at(now),
            Some(_) => self.retention.follow(policy.retention, now),
        };
        Ok(())
    }

    /// Is in no policy any more. The window it has stays its own: a shorter one that waited in the policy does not come.
    pub fn leave(&mut self, state: UnitState, now: Timestamp) {
        self.state = state;
        self.policy = None;
        self.sources = ProtectionSources::default();
        self.next_backup_at = None;
        self.retention = Retention { pending: None, ..self.retention.at(now) };
    }
}

/// `microsoft.graph.protectionSource`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProtectionSources {
    /// By hand, by a bulk job, or by a static rule.
    pub manual: bool,
    /// By at least one dynamic rule, or by a policy for the whole workload.
    pub dynamic_rule: bool,
}

impl ProtectionSources {
    pub const MANUAL: Self = Self { manual: true, dynamic_rule: false };
    pub const DYNAMIC_RULE: Self = Self { manual: false, dynamic_rule: true };

    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// As flags: joined with a comma.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.manual, self.dynamic_rule) {
            (false, false) => "none",
            (true, false) => "manual",
            (false, true) => "dynamicRule",
            (true, true) => "manual,dynamicRule",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// In a policy that does not protect it (inactive, or its first backup failed).
    Unprotected,
    ProtectRequested,
    Protected,
    UnprotectRequested,
    RemoveRequested,
    /// In no policy; its restore points stay until they expire. Published as `unprotected`.
    Detached,
    /// `at` is when offboarding was asked for, here and in what follows from it.
    OffboardRequested {
        at: Timestamp,
    },
    /// The grace is over and the data is being destroyed: nothing takes that back. Published as `offboardRequested`.
    Destroying {
        at: Timestamp,
    },
    Offboarded {
        at: Timestamp,
    },
    CancelOffboardRequested {
        at: Timestamp,
    },
}

impl UnitState {
    /// The published `protectionUnitStatus`.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Unprotected | Self::Detached => "unprotected",
            Self::ProtectRequested => "protectRequested",
            Self::Protected => "protected",
            Self::UnprotectRequested => "unprotectRequested",
            Self::RemoveRequested => "removeRequested",
            Self::OffboardRequested { .. } | Self::Destroying { .. } => "offboardRequested",
            Self::Offboarded { .. } => "offboarded",
            Self::CancelOffboardRequested { .. } => "cancelOffboardRequested",
        }
    }

    /// `offboardRequestedDateTime`: when its offboarding was asked for.
    #[must_use]
    pub fn offboarding_since(self) -> Option<Timestamp> {
        match self {
            Self::OffboardRequested { at }
            | Self::Destroying { at }
            | Self::Offboarded { at }
            | Self::CancelOffboardRequested { at } => Some(at),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached => None,
        }
    }

    /// Added to a policy that protects (`true`) or does not.
    ///
    /// # Errors
    /// When the unit is in a policy already, or its data is being destroyed.
    pub fn attach(self, policy_protects: bool) -> Result<Self, TransitionError> {
        match self {
            Self::Detached if policy_protects => Ok(Self::ProtectRequested),
            Self::Detached => Ok(Self::Unprotected),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("attach")),
        }
    }

    /// Its policy was activated.
    ///
    /// # Errors
    /// When the unit is in no policy or on its way out.
    pub fn request_protection(self) -> Result<Self, TransitionError> {
        match self {
            Self::Unprotected | Self::ProtectRequested => Ok(Self::ProtectRequested),
            Self::Protected => Ok(Self::Protected),
            Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("requestProtection")),
        }
    }

    /// Its first backup succeeded.
    ///
    /// # Errors
    /// When protection was not asked for (any more).
    pub fn protect(self) -> Result<Self, TransitionError> {
        match self {
            Self::ProtectRequested | Self::Protected => Ok(Self::Protected),
            Self::Unprotected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("protect")),
        }
    }

    /// Its first backup failed for good; the reason goes to `error`.
    ///
    /// # Errors
    /// When protection was not asked for (any more).
    pub fn fail_protection(self) -> Result<Self, TransitionError> {
        match self {
            Self::ProtectRequested => Ok(Self::Unprotected),
            Self::Unprotected
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("failProtection")),
        }
    }

    /// Its policy was deactivated.
    ///
    /// # Errors
    /// When the unit is in no policy or on its way out.
    pub fn request_unprotection(self) -> Result<Self, TransitionError> {
        match self {
            Self::Protected | Self::ProtectRequested | Self::UnprotectRequested => {
                Ok(Self::UnprotectRequested)
            }
            Self::Unprotected => Ok(Self::Unprotected),
            Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("requestUnprotection")),
        }
    }

    /// No backup runs any more.
    ///
    /// # Errors
    /// When unprotection was not asked for.
    pub fn unprotect(self) -> Result<Self, TransitionError> {
        match self {
            Self::UnprotectRequested => Ok(Self::Unprotected),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("unprotect")),
        }
    }

    /// Removed from its policy by hand.
    ///
    /// # Errors
    /// When the unit is in no policy.
    pub fn request_removal(self) -> Result<Self, TransitionError> {
        match self {
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested => Ok(Self::RemoveRequested),
            Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("requestRemoval")),
        }
    }

    /// The removal is carried out, or its inactive policy was deleted.
    ///
    /// # Errors
    /// When the unit is still protected, or in no policy.
    pub fn detach(self) -> Result<Self, TransitionError> {
        match self {
            Self::RemoveRequested | Self::Unprotected => Ok(Self::Detached),
            Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("detach")),
        }
    }

    /// `offboard`: its backups are to be destroyed after the grace period.
    ///
    /// # Errors
    /// When the unit is not detached.
    pub fn offboard(self, now: Timestamp) -> Result<Self, TransitionError> {
        match self {
            Self::Detached => Ok(Self::OffboardRequested { at: now }),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("offboard")),
        }
    }

    /// `cancelOffboard`
    ///
    /// # Errors
    /// When offboarding was not asked for, or the data is being destroyed or gone.
    pub fn cancel_offboard(self) -> Result<Self, TransitionError> {
        match self {
            Self::OffboardRequested { at } => Ok(Self::CancelOffboardRequested { at }),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::Destroying { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("cancelOffboard")),
        }
    }

    /// The cancelled offboarding is wound back.
    ///
    /// # Errors
    /// When nothing was cancelled.
    pub fn finish_cancel_offboard(self) -> Result<Self, TransitionError> {
        match self {
            Self::CancelOffboardRequested { .. } => Ok(Self::Detached),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Destroying { .. }
            | Self::Offboarded { .. } => Err(self.refuse("finishCancelOffboard")),
        }
    }

    /// The grace is over: the data is destroyed from here on, again and again until nothing is left.
    ///
    /// # Errors
    /// When offboarding was not asked for, or was cancelled.
    pub fn destroy(self) -> Result<Self, TransitionError> {
        match self {
            Self::OffboardRequested { at } | Self::Destroying { at } => Ok(Self::Destroying { at }),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("destroy")),
        }
    }

    /// The unit's keys and data are destroyed.
    ///
    /// # Errors
    /// When nothing was being destroyed.
    pub fn finish_offboard(self) -> Result<Self, TransitionError> {
        match self {
            Self::Destroying { at } => Ok(Self::Offboarded { at }),
            Self::Unprotected
            | Self::ProtectRequested
            | Self::Protected
            | Self::UnprotectRequested
            | Self::RemoveRequested
            | Self::Detached
            | Self::OffboardRequested { .. }
            | Self::Offboarded { .. }
            | Self::CancelOffboardRequested { .. } => Err(self.refuse("finishOffboard")),
        }
    }

    fn refuse(self, event: &'static str) -> TransitionError {
        let state = match self {
            Self::Detached => "detached",
            Self::Destroying { .. } => "destroying its backups",
            other => other.status(),
        };
        TransitionError { event, state }
    }
}
