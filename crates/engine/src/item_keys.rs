//! GUIDs for browse answers (`itemKey`): the service's where its ids tell them, else derived from its ids, so that an item
//! has the same key in every session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::{DriveId, ItemId, ItemKey};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Of a site by its id, `host,siteCollection,web`.
pub(crate) fn site_key(site_id: &str) -> ItemKey {
    let mut guids = site_id.split(',').skip(1).map(Uuid::try_parse);
    match (guids.next(), guids.next()) {
        (Some(Ok(site)), Some(Ok(web))) => ItemKey::of_site(site, web),
        _ => ItemKey::of_site(derived("site", &[site_id]), derived("web", &[site_id])),
    }
}

/// A library's list: the last of the three GUIDs in a drive's id.
pub(crate) fn library_guid(drive: &DriveId) -> Uuid {
    let guids =
        drive.as_str().strip_prefix("b!").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    match guids.as_deref().and_then(|bytes| bytes.get(32..48)?.try_into().ok()) {
        Some(list) => Uuid::from_bytes_le(list),
        None => derived("list", &[drive.as_str()]),
    }
}

pub(crate) fn item_guid(drive: &DriveId, item: &ItemId) -> Uuid {
    derived("item", &[drive.as_str(), item.as_str()])
}

fn derived(kind: &str, parts: &[&str]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in [kind].iter().chain(parts) {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let bytes = digest[..16].try_into().expect("16 of 32 bytes");
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_from_ids() {
        let (site, web) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(site_key(&format!("host,{site},{web}")), ItemKey::of_site(site, web));
        assert_ne!(site_key("one"), site_key("other"));
        let list = Uuid::from_u128(3);
        let bytes: Vec<u8> = [site, web, list].iter().flat_map(|guid| guid.to_bytes_le()).collect();
        let drive = DriveId::new(format!("b!{}", URL_SAFE_NO_PAD.encode(bytes)));
        assert_eq!(library_guid(&drive), list);
        let (one, other) = (ItemId::new("1"), ItemId::new("2"));
        assert_eq!(item_guid(&drive, &one), item_guid(&drive, &one));
        assert_ne!(item_guid(&drive, &one), item_guid(&drive, &other));
        assert_ne!(item_guid(&drive, &one), item_guid(&DriveId::new("b!short"), &one));
    }
}
