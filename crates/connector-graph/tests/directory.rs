//! People, groups and sites of the embedded tenant, as rules and bulk jobs ask for them.

use std::sync::Arc;

use holdfast_connector::{Connector, NewSite};
use holdfast_connector_graph::{Credentials, GraphConnector, InProcess};
use holdfast_domain::{SeededEntropy, SystemClock};
use holdfast_tenant::{Tenant, TenantOptions};

const BASE: &str = "http://tenant.internal";

fn tenant(folder: &std::path::Path) -> (Tenant, GraphConnector) {
    let options = TenantOptions {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SeededEntropy::new(3)),
        issuer_base: BASE.to_owned(),
    };
    let tenant = Tenant::open(folder, options).expect("opens");
    let facts = tenant.facts();
    let credentials = Credentials {
        authority: BASE.to_owned(),
        tenant: facts.tenant_id.to_string(),
        client_id: facts.client_id.to_string(),
        client_secret: facts.client_secret,
    };
    let connector = GraphConnector::new(
        Arc::new(InProcess(tenant.router())),
        Arc::new(SystemClock),
        Arc::new(SeededEntropy::new(4)),
        BASE.to_owned(),
        credentials,
    );
    (tenant, connector)
}

#[tokio::test]
async fn people_are_found_by_id_and_by_principal_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tenant, connector) = tenant(folder.path());
    let id = tenant.facts().user_id;
    let user = connector.user(&id).await.expect("answers").expect("is there");
    assert_eq!((user.id.as_str(), user.display_name.as_str()), (id.as_str(), "Amira Haddad"));
    assert_eq!(user.mail.as_ref(), Some(&user.user_principal_name));
    let by_name = connector.user(&user.user_principal_name).await.expect("answers");
    assert_eq!(by_name, Some(user));
    for absent in ["", "nobody@contoso.com", "../groups", "a?b#c"] {
        assert_eq!(connector.user(absent).await.expect("answers"), None, "{absent}");
    }
}

#[tokio::test]
async fn members_of_nested_groups_are_listed_once_over_all_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tenant, connector) = tenant(folder.path());
    let group = tenant.facts().group_id;
    let members = connector.group_members(&group).await.expect("answers").expect("is there");
    let mut names: Vec<&str> = members.iter().map(|user| user.display_name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Amira Haddad", "Chen Wei", "Fatima Noor", "Grace Okafor"]);
    let absent = "00000000-0000-0000-0000-000000000001";
    assert_eq!(connector.group_members(absent).await.expect("answers"), None);
    assert_eq!(connector.group_members("").await.expect("answers"), None);
}

#[tokio::test]
async fn holders_of_a_directory_role_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_tenant, connector) = tenant(folder.path());
    let holders = connector.role_holders("62e90394-69f5-4237-9190-012177145e10").await;
    let names: Vec<String> =
        holders.expect("answers").into_iter().map(|user| user.display_name).collect();
    assert_eq!(names, ["Hiro Tanaka"]);
    for nobody in ["49eb8f75-97e9-4e37-9b2b-6c3ebfcffa31", "", "x')/../users('"] {
        assert_eq!(connector.role_holders(nobody).await.expect("answers"), [], "{nobody}");
    }
}

#[tokio::test]
async fn sites_are_listed_over_all_pages_without_personal_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tenant, connector) = tenant(folder.path());
    let before = connector.sites().await.expect("lists");
    assert_eq!(before.len(), 5);
    assert_eq!(before[0].site.id, tenant.facts().site_id);
    // More than a page has.
    for number in 0..200 {
        let site = NewSite {
            host: "contoso.sharepoint.com".to_owned(),
            path: format!("/sites/Team{number}"),
            display_name: format!("Team {number}"),
        };
        connector.create_site(site).await.expect("is made");
    }
    let sites = connector.sites().await.expect("lists");
    assert_eq!(sites.len(), 205);
    assert!(sites.iter().all(|listed| !listed.site.web_url.contains("-my.sharepoint.com")));
    assert!(sites.iter().all(|listed| listed.last_modified >= before[0].last_modified));
}
