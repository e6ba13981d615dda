//! Web addresses of items, made from their library's and their names.

/// The address of what lies at `names` below `base`. Characters beyond letters, digits and `-._~` are percent-encoded.
#[must_use]
pub fn address_below<'a>(base: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let mut address = base.trim_end_matches('/').to_owned();
    for name in names {
        address.push('/');
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                address.push(char::from(byte));
            } else {
                address.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let base = "https://contoso.sharepoint.com/sites/a/Shared%20Documents";
        assert_eq!(address_below(base, []), base);
        assert_eq!(
            address_below(&format!("{base}/"), ["x y", "50% #1?", "ä/b.txt"]),
            format!("{base}/x%20y/50%25%20%231%3F/%C3%A4%2Fb.txt"),
        );
    }
}
