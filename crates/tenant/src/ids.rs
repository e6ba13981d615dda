//! Ids as SharePoint writes them, and ids derived from names, so that the seeded tenant is the same everywhere.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Host of team sites.
pub(crate) const SITE_HOST: &str = "contoso.sharepoint.com";
/// Host of personal sites (OneDrive).
pub(crate) const PERSONAL_HOST: &str = "contoso-my.sharepoint.com";

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The UUID that belongs to `name` among things of one `kind`; the same in every tenant.
pub(crate) fn derived(kind: &str, name: &str) -> Uuid {
    let hash = sha256(format!("{kind}\n{name}").as_bytes());
    let bytes: [u8; 16] = hash[..16].try_into().expect("16 of 32 bytes");
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// `b!` and the GUIDs of site, web and list.
pub(crate) fn drive_id(site: Uuid, web: Uuid, list: Uuid) -> String {
    let mut bytes = Vec::with_capacity(48);
    for guid in [site, web, list] {
        bytes.extend_from_slice(&guid.to_bytes_le());
    }
    format!("b!{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// `01` and 32 characters: four bytes that say which library, sixteen of the item.
pub(crate) fn item_id(list: Uuid, item: Uuid) -> String {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&list.as_bytes()[..4]);
    bytes[4..].copy_from_slice(item.as_bytes());
    let mut text = String::with_capacity(34);
    text.push_str("01");
    for group in bytes.chunks_exact(5) {
        let value = group.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            text.push(char::from(BASE32[(value >> (5 * place) & 31) as usize]));
        }
    }
    text
}

/// The item's GUID, when `text` is an item id of the library `list`.
pub(crate) fn parse_item_id(list: Uuid, text: &str) -> Option<Uuid> {
    let digits = text.strip_prefix("01").filter(|digits| digits.len() == 32)?;
    let mut bytes = [0; 20];
    for (group, out) in digits.as_bytes().chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
        let mut value = 0_u64;
        for digit in group {
            let place = BASE32.iter().position(|known| known == digit)?;
            value = value << 5 | place as u64;
        }
        out.copy_from_slice(&value.to_be_bytes()[3..]);
    }
    (bytes[..4] == list.as_bytes()[..4])
        .then(|| Uuid::from_bytes(bytes[4..].try_into().expect("16 of 20 bytes")))
}

/// `hostname,siteCollectionGuid,webGuid`
pub(crate) fn site_id(personal: bool, site: Uuid, web: Uuid) -> String {
    format!("{},{site},{web}", if personal { PERSONAL_HOST } else { SITE_HOST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_ids_round_trip_and_are_bound_to_their_library() {
        let (list, item) = (derived("list", "a"), derived("item", "b"));
        let text = item_id(list, item);
        assert_eq!(text.len(), 34);
        assert_eq!(parse_item_id(list, &text), Some(item));
        assert_eq!(parse_item_id(derived("list", "c"), &text), None);
        assert_eq!(parse_item_id(list, &text.to_lowercase()), None);
        assert_eq!(parse_item_id(list, "root"), None);
    }
}
