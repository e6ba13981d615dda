//! What a restore point contains, for browse sessions.

use holdfast_domain::{BrowseSession, BrowseSessionId, ClaimedJob, ItemKey};
use holdfast_store::{BrowseItem, BrowseItemKind, Tx, find};
use uuid::Uuid;

use super::{Harness, TENANT};

/// Files in the folder `Many`: more than a page has.
pub(crate) const MANY: u64 = 250;

/// The key of the site, for its only library, and for an item of it.
pub(crate) fn item_key(parts: &[u128]) -> String {
    let site = ItemKey::of_site(Uuid::from_u128(1), Uuid::from_u128(2));
    match parts {
        [] => site.to_string(),
        [list] => site.library(Uuid::from_u128(*list)).to_string(),
        [list, item, ..] => {
            site.library(Uuid::from_u128(*list)).item(Uuid::from_u128(*item)).to_string()
        }
    }
}

fn rows(libraries: u64) -> Vec<BrowseItem> {
    use BrowseItemKind::{File, Folder, Library, Site};
    let mut rows: Vec<BrowseItem> = Vec::new();
    let mut add = |parent: Option<u64>, kind, name: String, last: u64, items: u64| {
        let ordinal = rows.len() as u64;
        let times = "2026-01-02T03:04:05Z".parse().expect("a time");
        rows.push(BrowseItem {
            ordinal,
            last: if last == 0 { ordinal } else { last },
            parent,
            kind,
            guid: Uuid::from_u128(u128::from(ordinal) + 2),
            source_id: if kind == Site { item_key(&[]) } else { format!("source {ordinal}") },
            name,
            items,
            size_bytes: 2594,
            times: matches!(kind, Folder | File).then_some((times, times)),
            web_url: match kind {
                Site => Some("https://contoso.sharepoint.com".to_owned()),
                Library => Some("https://contoso.sharepoint.com/Shared%20Documents".to_owned()),
                Folder | File => None,
            },
        });
    };
    let last = 4 + MANY + libraries - 1;
    add(None, Site, "Contoso Site 1".to_owned(), last, libraries);
    add(Some(0), Library, "Documents".to_owned(), 4 + MANY - 1, 2);
    add(Some(1), Folder, "Many".to_owned(), 3 + MANY - 1, MANY);
    for number in 0..MANY {
        add(Some(2), File, format!("file {number:03}.txt"), 0, 0);
    }
    add(Some(1), File, "Report.docx".to_owned(), 0, 0);
    for _ in 1..libraries {
        add(Some(0), Library, "Another".to_owned(), 0, 0);
    }
    rows
}

impl Harness {
    /// A site with the library `Documents`; sites with odd numbers have another library.
    pub(super) async fn fill_browse_session(
        &self,
        tx: &mut dyn Tx,
        job: &ClaimedJob,
        session: BrowseSessionId,
    ) {
        let tenant = TENANT.parse().expect("a GUID");
        let found = find::<BrowseSession>(tx, tenant, &session).await.expect("works");
        let found = found.expect("it exists");
        let is_odd = found.value.resource.contains("0000000e-0001");
        let rows = rows(if is_odd { 2 } else { 1 });
        tx.add_browse_items(session, job.lease, rows).await.expect("works");
        let mut session = found.value;
        session.state = session.state.finish().expect("it was being created");
        tx.put(&session, found.version).await.expect("works");
    }
}
