//! How Graph names things for each workload: `siteProtectionUnits` in `sharePointProtectionPolicies`, and so on.

use holdfast_domain::Workload;

/// Words of a workload, from which the names of its types, collections and properties are made.
pub(crate) trait Wording: Copy {
    /// Before units, rules, artifacts: `site`, `drive`, `mailbox`.
    fn prefix(self) -> &'static str;
    /// Before policies and sessions: `sharePoint`, `oneDriveForBusiness`, `exchange`.
    fn product(self) -> &'static str;
    /// The property that names what a unit protects.
    fn resource(self) -> &'static str;
    /// The list of names in bulk jobs and requests.
    fn names(self) -> &'static str;
    /// The list of ids in them.
    fn ids(self) -> &'static str;

    fn unit_type(self) -> String {
        format!("{}ProtectionUnit", self.prefix())
    }

    fn units(self) -> String {
        format!("{}ProtectionUnits", self.prefix())
    }

    fn policy_type(self) -> String {
        format!("{}ProtectionPolicy", self.product())
    }

    fn policies(self) -> String {
        format!("{}ProtectionPolicies", self.product())
    }

    fn session_type(self) -> String {
        format!("{}RestoreSession", self.product())
    }

    fn sessions(self) -> String {
        format!("{}RestoreSessions", self.product())
    }

    fn browse_session_type(self) -> String {
        format!("{}BrowseSession", self.product())
    }

    fn browse_sessions(self) -> String {
        format!("{}s", self.browse_session_type())
    }

    fn artifact_type(self) -> String {
        format!("{}RestoreArtifact", self.prefix())
    }

    fn artifacts(self) -> String {
        format!("{}RestoreArtifacts", self.prefix())
    }

    fn granular_artifact_type(self) -> String {
        let mut prefix = self.prefix().to_owned();
        prefix[..1].make_ascii_uppercase();
        format!("granular{prefix}RestoreArtifact")
    }

    fn granular_artifacts(self) -> String {
        format!("{}s", self.granular_artifact_type())
    }

    fn rule_type(self) -> String {
        format!("{}ProtectionRule", self.prefix())
    }

    fn rules(self) -> String {
        format!("{}InclusionRules", self.prefix())
    }

    /// The property of a rule that holds its expression.
    fn expression(self) -> String {
        format!("{}Expression", self.prefix())
    }

    fn bulk_job_type(self) -> String {
        format!("{}ProtectionUnitsBulkAdditionJob", self.prefix())
    }

    fn exclusion_type(self) -> String {
        format!("{}ExclusionUnit", self.prefix())
    }

    fn exclusions(self) -> String {
        format!("{}ExclusionUnits", self.prefix())
    }

    fn exclusion_job_type(self) -> String {
        format!("{}ExclusionUnitsBulkAdditionJob", self.prefix())
    }

    fn bulk_restore_type(self) -> String {
        format!("{}RestoreArtifactsBulkAdditionRequest", self.prefix())
    }

    fn bulk_restores(self) -> String {
        format!("{}s", self.bulk_restore_type())
    }
}

impl Wording for Workload {
    fn prefix(self) -> &'static str {
        match self {
            Self::SharePoint => "site",
            Self::OneDrive => "drive",
            Self::Exchange => "mailbox",
        }
    }

    fn product(self) -> &'static str {
        match self {
            Self::SharePoint => "sharePoint",
            Self::OneDrive => "oneDriveForBusiness",
            Self::Exchange => "exchange",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::SharePoint => "siteId",
            Self::OneDrive | Self::Exchange => "directoryObjectId",
        }
    }

    fn names(self) -> &'static str {
        match self {
            Self::SharePoint => "siteWebUrls",
            Self::OneDrive => "drives",
            Self::Exchange => "mailboxes",
        }
    }

    fn ids(self) -> &'static str {
        match self {
            Self::SharePoint => "siteIds",
            Self::OneDrive | Self::Exchange => "directoryObjectIds",
        }
    }
}

/// The workload whose type of that family has the name, in any letter case.
pub(crate) fn workload_of(type_name: &str, family: fn(Workload) -> String) -> Option<Workload> {
    Workload::ALL.into_iter().find(|workload| family(*workload).eq_ignore_ascii_case(type_name))
}
