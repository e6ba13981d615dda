//! Inclusion rules (`spec/api.md` section 9).

use crate::named::named;
use crate::{PolicyId, PublicError, RuleId, Stamps, TenantId, TransitionError, Workload};

/// `protectionRuleBase` and what derives from it: an expression that brings units into its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRule {
    pub id: RuleId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub policy: PolicyId,
    /// `siteExpression`, `driveExpression` or `mailboxExpression`, as it was sent.
    pub expression: String,
    /// `isAutoApplyEnabled`
    pub kind: RuleKind,
    pub state: RuleState,
    /// Why the last evaluation brought some units in and others not.
    pub error: Option<PublicError>,
    pub stamps: Stamps,
}

named! {
    /// When a rule is evaluated.
    RuleKind {
        /// Once for each run.
        Static = "static",
        /// All the time; what no longer matches leaves.
        Dynamic = "dynamic",
    }
}

named! {
    RuleState {
        /// Being applied.
        Active = "active",
        Completed = "completed",
        CompletedWithErrors = "completedWithErrors",
        /// Its expression was changed; it is applied next.
        UpdateRequested = "updateRequested",
        /// Its units are being released; then it is gone.
        DeleteRequested = "deleteRequested",
    }
}

impl ProtectionRule {
    /// `run`, of static rules. Running what runs already changes nothing.
    ///
    /// # Errors
    /// While the rule is being changed or deleted.
    pub fn run(&mut self) -> Result<(), TransitionError> {
        match self.state {
            RuleState::Active | RuleState::Completed | RuleState::CompletedWithErrors => {
                self.state = RuleState::Active;
                Ok(())
            }
            RuleState::UpdateRequested | RuleState::DeleteRequested => Err(self.refuse("run")),
        }
    }

    /// A new expression, of dynamic rules.
    ///
    /// # Errors
    /// While the rule is being deleted.
    pub fn update(&mut self, expression: String) -> Result<(), TransitionError> {
        if self.state == RuleState::DeleteRequested {
            return Err(self.refuse("update"));
        }
        self.expression = expression;
        self.state = RuleState::UpdateRequested;
        Ok(())
    }

    /// May the rule go, its units staying?
    ///
    /// # Errors
    /// Unless its last evaluation has ended.
    pub fn delete(&self) -> Result<(), TransitionError> {
        match self.state {
            RuleState::Completed | RuleState::CompletedWithErrors => Ok(()),
            RuleState::Active | RuleState::UpdateRequested | RuleState::DeleteRequested => {
                Err(self.refuse("delete"))
            }
        }
    }

    /// `deleteAndUnprotect`, of dynamic rules.
    ///
    /// # Errors
    /// When it was asked for before.
    pub fn delete_and_unprotect(&mut self) -> Result<(), TransitionError> {
        if self.state == RuleState::DeleteRequested {
            return Err(self.refuse("deleteAndUnprotect"));
        }
        self.state = RuleState::DeleteRequested;
        Ok(())
    }

    /// An evaluation has ended. A rule that is being deleted stays so.
    pub fn applied(&mut self, error: Option<PublicError>) {
        if self.state != RuleState::DeleteRequested {
            self.state = match error {
                None => RuleState::Completed,
                Some(_) => RuleState::CompletedWithErrors,
            };
            self.error = error;
        }
    }

    fn refuse(&self, event: &'static str) -> TransitionError {
        TransitionError { event, state: self.state.name() }
    }
}
