//! What units protect, as clients name it: `siteId` and `directoryObjectId`, the forms that they send and the one that is stored.

use std::fmt;

use uuid::Uuid;

use crate::Workload;

/// A site's identifier. `host,siteCollection,web`, the same with the site's path after the host (which is dropped), or the bare
/// GUID of the site collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteId {
    host: Option<String>,
    pub collection: Uuid,
    web: Option<Uuid>,
}

impl SiteId {
    /// `None` when `text` has none of the three forms.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').collect();
        match parts.as_slice() {
            [collection] => Some(Self { host: None, collection: guid(collection)?, web: None }),
            [place, collection, web] => Some(Self {
                host: Some(host(place)?),
                collection: guid(collection)?,
                web: Some(guid(web)?),
            }),
            _ => None,
        }
    }

    /// The same site, as far as the two forms tell?
    #[must_use]
    pub fn is_same_site(&self, other: &Self) -> bool {
        self.collection == other.collection
            && match (self.web, other.web) {
                (Some(ours), Some(theirs)) => ours == theirs && self.host == other.host,
                // The bare form means the root web of the collection.
                (None, _) | (_, None) => true,
            }
    }
}

/// The stored form.
impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.web) {
            (Some(host), Some(web)) => write!(f, "{host},{},{web}", self.collection),
            (None, _) | (_, None) => write!(f, "{}", self.collection),
        }
    }
}

fn guid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// The host of `host` or `host/sites/name`, in lower case.
fn host(place: &str) -> Option<String> {
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let port = host.split_once(':').map(|(_, port)| port);
    let named = !name.is_empty()
        && name.len() <= 253
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let numbered = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let clean = path.len() <= 1024
        && path.chars().all(|c| !c.is_control() && !matches!(c, '\\' | '?' | '#' | '%' | '\''))
        && !path.split('/').any(|part| part == "..");
    (named && numbered && clean).then(|| host.to_ascii_lowercase())
}

/// What a unit protects: a site, or the drive or mailbox of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceId {
    Site(SiteId),
    /// `directoryObjectId` of a user.
    User(Workload, Uuid),
}

impl ResourceId {
    /// `None` when `text` has no form that names resources of the workload.
    #[must_use]
    pub fn parse(workload: Workload, text: &str) -> Option<Self> {
        match workload {
            Workload::SharePoint => SiteId::parse(text).map(Self::Site),
            Workload::OneDrive | Workload::Exchange => {
                guid(text).map(|user| Self::User(workload, user))
            }
        }
    }

    #[must_use]
    pub fn workload(&self) -> Workload {
        match self {
            Self::Site(_) => Workload::SharePoint,
            Self::User(workload, _) => *workload,
        }
    }

    /// The same resource, as far as the two forms tell?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Site(ours), Self::Site(theirs)) => ours.is_same_site(theirs),
            (ours, theirs) => ours == theirs,
        }
    }
}

/// The stored form.
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(site) => site.fmt(f),
            Self::User(_, user) => user.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: &str = "0000000e-0001-4000-8000-0000000e0001";
    const WEB: &str = "0000000f-0001-4000-8000-0000000f0001";

    #[track_caller]
    fn check(text: &str, stored: Option<&str>) {
        assert_eq!(SiteId::parse(text).map(|id| id.to_string()).as_deref(), stored, "{text}");
    }

    #[test]
    fn three_forms_are_accepted_and_one_is_stored() {
        let full = format!("contoso.sharepoint.com,{COLLECTION},{WEB}");
        check(&full, Some(&full));
        check(&full.to_uppercase(), Some(&full));
        check(&format!("contoso.sharepoint.com/sites/A b,{COLLECTION},{WEB}"), Some(&full));
        check(COLLECTION, Some(COLLECTION));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "x",
            ",,",
            "contoso.sharepoint.com",
            &format!("contoso.sharepoint.com,{COLLECTION}"),
            &format!(",{COLLECTION},{WEB}"),
            &format!("contoso.sharepoint.com,{COLLECTION},{WEB},"),
            &format!("contoso.sharepoint.com,{COLLECTION},x"),
            &format!("con toso,{COLLECTION},{WEB}"),
            &format!("host/../x,{COLLECTION},{WEB}"),
            &format!("host:99999,{COLLECTION},{WEB}"),
            &format!("{{{COLLECTION}}}"),
            &COLLECTION.replace('-', ""),
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_bare_form_is_the_same_site() {
        let bare = SiteId::parse(COLLECTION).expect("well-formed");
        let full = SiteId::parse(&format!("h,{COLLECTION},{WEB}")).expect("well-formed");
        let other = SiteId::parse(&format!("h,{WEB},{WEB}")).expect("well-formed");
        assert!(bare.is_same_site(&full) && full.is_same_site(&bare));
        assert!(!bare.is_same_site(&other));
    }
}
