//! Directory roles: what an administrator's role covers, on top of a delegated token's scopes (`spec/behaviour.md` section 11).
//!
//! An operation whose path names a workload takes a role that covers it; any other one takes any of the roles, finds in lists only what
//! they cover, and refuses a single object of another workload. Browsing and granular files take the one role that `spec/operations.json` names.

use holdfast_domain::Workload;
use holdfast_domain::Workload::{Exchange, OneDrive, SharePoint};
use holdfast_domain::directory_role;

/// Template ids, with what they cover.
const ROLES: [(&str, &[Workload]); 6] = [
    (directory_role::GLOBAL_ADMINISTRATOR, &[SharePoint, OneDrive, Exchange]),
    (directory_role::SHAREPOINT_ADMINISTRATOR, &[SharePoint, OneDrive]),
    (directory_role::EXCHANGE_ADMINISTRATOR, &[Exchange]),
    (directory_role::MICROSOFT_365_BACKUP_ADMINISTRATOR, &[SharePoint, OneDrive, Exchange]),
    (directory_role::SHAREPOINT_BACKUP_ADMINISTRATOR, &[SharePoint, OneDrive]),
    (directory_role::EXCHANGE_BACKUP_ADMINISTRATOR, &[Exchange]),
];

/// Whether one of `held` covers `workload`; without one, whether any covers anything.
pub(crate) fn cover(held: &[String], workload: Option<Workload>) -> bool {
    ROLES.iter().any(|(id, covered)| {
        workload.is_none_or(|workload| covered.contains(&workload))
            && held.iter().any(|held| held.eq_ignore_ascii_case(id))
    })
}

/// The workloads that `held` cover.
pub(crate) fn covered(held: &[String]) -> Vec<Workload> {
    Workload::ALL.into_iter().filter(|workload| cover(held, Some(*workload))).collect()
}

/// The workload that a path names, by its first segment that does.
pub(crate) fn workload_of(path: &str) -> Option<Workload> {
    path.split('/').find_map(|segment| {
        let name = segment.trim_start_matches("microsoft.").trim_start_matches("graph.");
        let name = name.strip_prefix("granular").unwrap_or(name).to_ascii_lowercase();
        [
            (SharePoint, ["sharepoint", "site"]),
            (OneDrive, ["onedrive", "drive"]),
            (Exchange, ["exchange", "mailbox"]),
        ]
        .into_iter()
        .find(|(_, words)| words.iter().any(|word| name.starts_with(word)))
        .map(|(workload, _)| workload)
    })
}

#[cfg(test)]
mod tests {
    use holdfast_graph_model::operations;

    use super::*;

    #[test]
    fn paths_name_their_workload() {
        let check = |path: &str, expected: Option<Workload>| {
            assert_eq!(workload_of(path), expected, "{path}");
        };
        check("/solutions/backupRestore/sharePointProtectionPolicies/{id}", Some(SharePoint));
        check("/protectionUnits/microsoft.graph.siteProtectionUnit", Some(SharePoint));
        check(
            "/oneDriveForBusinessRestoreSessions/{id}/granularDriveRestoreArtifacts",
            Some(OneDrive),
        );
        check("/exchangeProtectionPolicies/{id}/mailboxInclusionRules", Some(Exchange));
        check("/protectionPolicies/{id}/activate", None);
        check("/restorePoints/search", None);
        let named = operations().all().iter().filter(|known| workload_of(&known.path).is_some());
        assert!(named.count() > 200, "most operations are of one workload");
    }

    #[test]
    fn roles_cover_what_the_table_says() {
        let held = |id: &str| vec![id.to_owned()];
        let exchange = held("29232CDF-9323-42FD-ADE2-1D097AF3E4DE");
        assert!(cover(&exchange, Some(Exchange)) && cover(&exchange, None));
        assert!(!cover(&exchange, Some(SharePoint)) && !cover(&exchange, Some(OneDrive)));
        let sharepoint = held(directory_role::SHAREPOINT_BACKUP_ADMINISTRATOR);
        assert!(cover(&sharepoint, Some(OneDrive)) && !cover(&sharepoint, Some(Exchange)));
        // A user administrator has nothing to do with backup.
        let other = held("fe930be7-5e62-47db-91af-98c3a49a38b1");
        assert!(!cover(&other, None) && !cover(&[], None));
    }
}
