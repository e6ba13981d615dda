//! Enums that grow (`spec/api.md` section 5).
//!
//! A member after Graph's sentinel `unknownFutureValue` is shown only to clients that ask with
//! `Prefer: include-unknown-enum-members`, and a member that only beta has never in v1.0. [`Evolvable::render`]
//! is the one place that decides.

use serde::Serialize;

use crate::Version;

/// What stands in the place of a member that the client may not see.
pub const SENTINEL: &str = "unknownFutureValue";

/// Which members a client wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// Those before the sentinel.
    Known,
    /// All: the client sent `Prefer: include-unknown-enum-members`.
    All,
}

/// What decides how an object looks to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    pub members: Members,
    pub version: Version,
}

/// The name of a member as one client sees it. The only form in which a member serializes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Rendered(&'static str);

impl Rendered {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.0
    }
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    BeforeSentinel,
    AfterSentinel,
    /// After the sentinel, and unknown to v1.0.
    AfterSentinelInBeta,
}

/// An enum of Graph.
pub trait Evolvable: Copy + PartialEq + 'static {
    /// Graph's name, without the namespace.
    const NAME: &'static str;
    /// All members in Graph's order, without the sentinel.
    const MEMBERS: &'static [(Self, &'static str, Place)];

    /// The member's true name, whoever looks. For filters and logs; answers use [`Evolvable::render`].
    #[must_use]
    fn name(self) -> &'static str {
        Self::MEMBERS
            .iter()
            .find(|(member, _, _)| *member == self)
            .map_or(SENTINEL, |(_, name, _)| name)
    }

    /// The member's name as `viewer` sees it.
    #[must_use]
    fn render(self, viewer: Viewer) -> Rendered {
        let place = Self::MEMBERS
            .iter()
            .find(|(member, _, _)| *member == self)
            .map_or(Place::AfterSentinel, |(_, _, place)| *place);
        let visible = match place {
            Place::BeforeSentinel => true,
            Place::AfterSentinel => viewer.members == Members::All,
            Place::AfterSentinelInBeta => {
                viewer.members == Members::All && viewer.version == Version::Beta
            }
        };
        Rendered(if visible { self.name() } else { SENTINEL })
    }

    /// The member of that exact name. The sentinel is none: clients never send it as a value.
    #[must_use]
    fn from_name(name: &str) -> Option<Self> {
        Self::MEMBERS
            .iter()
            .find(|(_, candidate, _)| *candidate == name)
            .map(|(member, _, _)| *member)
    }
}

macro_rules! place {
    () => {
        Place::AfterSentinel
    };
    (beta) => {
        Place::AfterSentinelInBeta
    };
}

/// Members before the semicolon come before Graph's sentinel, the others after it; `in beta` marks those that v1.0 lacks.
macro_rules! evolvable {
    ($(#[$meta:meta])* $enum:ident = $graph:literal {
        $($before:ident = $before_name:literal),* ; $($after:ident = $after_name:literal $(in $version:ident)?),*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $enum { $($before,)* $($after,)* }

        impl Evolvable for $enum {
            const NAME: &'static str = $graph;
            const MEMBERS: &'static [(Self, &'static str, Place)] = &[
                $((Self::$before, $before_name, Place::BeforeSentinel),)*
                $((Self::$after, $after_name, place!($($version)?)),)*
            ];
        }
    };
}

evolvable! {
    /// `microsoft.graph.artifactRestoreStatus`
    ArtifactRestoreStatus = "artifactRestoreStatus" {
        Added = "added", Scheduling = "scheduling", Scheduled = "scheduled", InProgress = "inProgress",
        Succeeded = "succeeded", Failed = "failed";
    }
}
evolvable! {
    /// `microsoft.graph.browsableResourceType`
    BrowsableResourceType = "browsableResourceType" {
        None = "none", Site = "site", DocumentLibrary = "documentLibrary", Folder = "folder";
    }
}
evolvable! {
    /// `microsoft.graph.browseQueryOrder`
    BrowseQueryOrder = "browseQueryOrder" {
        PathAsc = "pathAsc", PathDsc = "pathDsc", NameAsc = "nameAsc", NameDsc = "nameDsc";
    }
}
evolvable! {
    /// `microsoft.graph.browseQueryResponseItemType`
    BrowseQueryResponseItemType = "browseQueryResponseItemType" {
        None = "none", Site = "site", DocumentLibrary = "documentLibrary", Folder = "folder", File = "file";
    }
}
evolvable! {
    /// `microsoft.graph.browseSessionStatus`
    BrowseSessionStatus = "browseSessionStatus" {
        Creating = "creating", Created = "created", Failed = "failed";
    }
}
evolvable! {
    /// `microsoft.graph.backupServiceConsumer`
    BackupServiceConsumer = "backupServiceConsumer" {
        Unknown = "unknown", FirstParty = "firstparty", ThirdParty = "thirdparty";
    }
}
evolvable! {
    /// `microsoft.graph.backupServiceStatus`
    BackupServiceStatus = "backupServiceStatus" {
        Disabled = "disabled", Enabled = "enabled", ProtectionChangeLocked = "protectionChangeLocked",
        RestoreLocked = "restoreLocked";
    }
}
evolvable! {
    /// `microsoft.graph.destinationType`
    DestinationType = "destinationType" { New = "new", InPlace = "inPlace"; }
}
evolvable! {
    /// `microsoft.graph.disableReason`
    DisableReason = "disableReason" {
        None = "none", InvalidBillingProfile = "invalidBillingProfile", UserRequested = "userRequested";
        ControllerServiceAppDeleted = "controllerServiceAppDeleted" in beta
    }
}
evolvable! {
    /// `microsoft.graph.granularRestoreItems`
    GranularRestoreItems = "granularRestoreItems" {
        Email = "email", Note = "note", Contact = "contact", Task = "task", Calendar = "calendar";
    }
}
evolvable! {
    /// `microsoft.graph.protectionRuleStatus`
    ProtectionRuleStatus = "protectionRuleStatus" {
        Draft = "draft", Active = "active", Completed = "completed", CompletedWithErrors = "completedWithErrors";
        UpdateRequested = "updateRequested", DeleteRequested = "deleteRequested"
    }
}
evolvable! {
    /// `microsoft.graph.protectionPolicyStatus`
    ProtectionPolicyStatus = "protectionPolicyStatus" {
        Inactive = "inactive", ActiveWithErrors = "activeWithErrors", Updating = "updating", Active = "active";
        OffboardRequested = "offboardRequested" in beta, Offboarded = "offboarded" in beta
    }
}
evolvable! {
    /// `microsoft.graph.protectionSource`
    ProtectionSource = "protectionSource" { None = "none", Manual = "manual", DynamicRule = "dynamicRule"; }
}
evolvable! {
    /// `microsoft.graph.protectionUnitStatus`
    ProtectionUnitStatus = "protectionUnitStatus" {
        ProtectRequested = "protectRequested", Protected = "protected", UnprotectRequested = "unprotectRequested",
        Unprotected = "unprotected", RemoveRequested = "removeRequested";
        OffboardRequested = "offboardRequested", Offboarded = "offboarded",
        CancelOffboardRequested = "cancelOffboardRequested"
    }
}
evolvable! {
    /// `microsoft.graph.restoreJobType`
    RestoreJobType = "restoreJobType" { Standard = "standard", Bulk = "bulk"; Granular = "granular" }
}
evolvable! {
    /// `microsoft.graph.restorePointPreference`
    RestorePointPreference = "restorePointPreference" { Latest = "latest", Oldest = "oldest"; }
}
evolvable! {
    /// `microsoft.graph.restorePointTags`
    RestorePointTags = "restorePointTags" {
        None = "none", FastRestore = "fastRestore"; IncludeNewerItems = "includeNewerItems" in beta
    }
}
evolvable! {
    /// `microsoft.graph.restoreSessionStatus`
    RestoreSessionStatus = "restoreSessionStatus" {
        Draft = "draft", Activating = "activating", Active = "active", CompletedWithError = "completedWithError",
        Completed = "completed"; Failed = "failed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn agrees_with_the_contract<E: Evolvable>() {
        let types: serde_json::Value =
            serde_json::from_str(include_str!("../../../spec/types.json")).expect("JSON");
        let members = types["types"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|found| found["name"] == E::NAME)
            .expect("Graph has the enum")["members"]
            .as_array()
            .expect("a list")
            .clone();
        let sentinel = members.iter().find(|member| member["name"] == SENTINEL).expect("evolvable")
            ["value"]
            .as_i64();
        let expected: Vec<(String, Place)> = members
            .iter()
            .filter(|member| member["name"] != SENTINEL)
            .map(|member| {
                let only_beta =
                    !member["versions"].as_array().expect("a list").contains(&"v1.0".into());
                let place = match (member["value"].as_i64() > sentinel, only_beta) {
                    (false, _) => Place::BeforeSentinel,
                    (true, false) => Place::AfterSentinel,
                    (true, true) => Place::AfterSentinelInBeta,
                };
                (member["name"].as_str().expect("text").to_owned(), place)
            })
            .collect();
        let ours: Vec<(String, Place)> =
            E::MEMBERS.iter().map(|(_, name, place)| ((*name).to_owned(), *place)).collect();
        assert_eq!(ours, expected, "{}", E::NAME);
        for (member, name, _) in E::MEMBERS {
            assert_eq!(E::from_name(name).map(E::name), Some(member.name()));
        }
        assert!(E::from_name(SENTINEL).is_none());
    }

    #[test]
    fn members_order_and_sentinel_are_graphs() {
        agrees_with_the_contract::<ArtifactRestoreStatus>();
        agrees_with_the_contract::<BackupServiceConsumer>();
        agrees_with_the_contract::<BackupServiceStatus>();
        agrees_with_the_contract::<BrowsableResourceType>();
        agrees_with_the_contract::<BrowseQueryOrder>();
        agrees_with_the_contract::<BrowseQueryResponseItemType>();
        agrees_with_the_contract::<BrowseSessionStatus>();
        agrees_with_the_contract::<DestinationType>();
        agrees_with_the_contract::<DisableReason>();
        agrees_with_the_contract::<ProtectionPolicyStatus>();
        agrees_with_the_contract::<ProtectionRuleStatus>();
        agrees_with_the_contract::<ProtectionSource>();
        agrees_with_the_contract::<ProtectionUnitStatus>();
        agrees_with_the_contract::<RestoreJobType>();
        agrees_with_the_contract::<RestorePointPreference>();
        agrees_with_the_contract::<RestorePointTags>();
        agrees_with_the_contract::<RestoreSessionStatus>();
    }

    #[test]
    fn newer_members_are_hidden_unless_preferred() {
        let look = |members, version| Viewer { members, version };
        let failed = RestoreSessionStatus::Failed;
        assert_eq!(failed.render(look(Members::Known, Version::Beta)).as_str(), SENTINEL);
        assert_eq!(failed.render(look(Members::All, Version::V1)).as_str(), "failed");
        let deleted = DisableReason::ControllerServiceAppDeleted;
        assert_eq!(deleted.render(look(Members::All, Version::V1)).as_str(), SENTINEL);
        assert_eq!(
            deleted.render(look(Members::All, Version::Beta)).as_str(),
            "controllerServiceAppDeleted"
        );
        assert_eq!(
            RestoreSessionStatus::Draft.render(look(Members::Known, Version::V1)).as_str(),
            "draft"
        );
    }
}
