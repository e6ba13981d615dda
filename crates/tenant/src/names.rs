//! Which names SharePoint refuses, and how it compares them (`spec/graph-content-api.md` 8.4 and 8.5).

/// Longest name, in characters.
const SEGMENT_LIMIT: usize = 255;
/// Longest decoded path below the library, name included, in characters.
const PATH_LIMIT: usize = 400;

/// Where a name is to stand, as far as that decides whether it is legal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) folder: bool,
    /// At the root of a SharePoint library, not of a OneDrive.
    pub(crate) library_root: bool,
}

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("a name is empty, `.` or `..`")]
    Empty,
    #[error("a name contains one of \" * : < > ? / \\ | or a control character")]
    Character,
    #[error("a name starts or ends with a space")]
    Space,
    #[error("a name ends with a period")]
    Period,
    #[error("a name is reserved")]
    Reserved,
    #[error("a name is longer than 255 characters")]
    TooLong,
    #[error("a path is longer than 400 characters")]
    PathTooLong,
}

impl NameError {
    /// `innerError.code`
    pub(crate) const fn inner_code(self) -> &'static str {
        match self {
            Self::TooLong | Self::PathTooLong => "pathIsTooLong",
            Self::Empty | Self::Character | Self::Space | Self::Period | Self::Reserved => {
                "invalidPath"
            }
        }
    }
}

/// Refuses what SharePoint refuses.
pub(crate) fn check_name(name: &str, place: Place) -> Result<(), NameError> {
    if name.is_empty() || name == "." || name == ".." {
        return Err(NameError::Empty);
    }
    let refused = |c: char| "\"*:<>?/\\|".contains(c) || c <= '\u{1f}' || c == '\u{7f}';
    if name.contains(refused) {
        return Err(NameError::Character);
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err(NameError::Space);
    }
    if name.ends_with('.') {
        return Err(NameError::Period);
    }
    if name.chars().count() > SEGMENT_LIMIT {
        return Err(NameError::TooLong);
    }
    let lower = name.to_ascii_lowercase();
    let stem = lower.split('.').next().unwrap_or(&lower);
    let device = matches!(stem, "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.as_bytes()[3].is_ascii_digit());
    let reserved = device
        || lower == ".lock"
        || lower == "desktop.ini"
        || lower.starts_with("~$")
        || lower.contains("_vti_")
        || (place.folder && lower.starts_with('~'))
        || (place.folder && place.library_root && lower == "forms");
    if reserved { Err(NameError::Reserved) } else { Ok(()) }
}

/// `above`: characters of the parent's path below the library, without a trailing slash.
pub(crate) fn check_path_length(above: usize, name: &str) -> Result<(), NameError> {
    let slash = usize::from(above > 0);
    if above + slash + name.chars().count() > PATH_LIMIT {
        return Err(NameError::PathTooLong);
    }
    Ok(())
}

/// The form in which names are compared and sorted: ordinal, without regard to case. A character whose upper case is
/// more than one character stays as it is, as in the service (`ß` is not `SS`).
pub(crate) fn fold(name: &str) -> String {
    name.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        })
        .collect()
}

/// `name` with ` {number}` before its extension, as the service renames on a clash.
pub(crate) fn numbered(name: &str, folder: bool, number: u32) -> String {
    match name.rfind('.').filter(|dot| !folder && *dot > 0) {
        Some(dot) => format!("{} {number}{}", &name[..dot], &name[dot..]),
        None => format!("{name} {number}"),
    }
}

/// A media type from the extension, as SharePoint guesses it.
pub(crate) fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("txt" | "log" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("htm" | "html") => "text/html",
        Some("json") => "application/json",
        Some("xml") => "text/xml",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("zip") => "application/x-zip-compressed",
        Some("mp4") => "video/mp4",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, place: Place, expected: Result<(), NameError>) {
        assert_eq!(check_name(name, place), expected, "{name:?}");
    }

    #[test]
    fn refuses_what_sharepoint_refuses() {
        let file = Place { folder: false, library_root: true };
        let folder = Place { folder: true, library_root: true };
        for name in ["a:b", "a*", "a\u{1}", "a|b", "\u{7f}", "a/b", "a\\b", "a?"] {
            check(name, file, Err(NameError::Character));
        }
        for name in
            ["CON", "con.txt", "Com7.log", "lpt0", ".lock", "Desktop.ini", "~$a.docx", "x_vti_y"]
        {
            check(name, file, Err(NameError::Reserved));
        }
        for name in [" a", "a "] {
            check(name, file, Err(NameError::Space));
        }
        check("a.", file, Err(NameError::Period));
        check("..", file, Err(NameError::Empty));
        check("Forms", folder, Err(NameError::Reserved));
        check("Forms", Place { folder: true, library_root: false }, Ok(()));
        check("~a", folder, Err(NameError::Reserved));
        check(&"x".repeat(256), file, Err(NameError::TooLong));
        for name in [
            "~a",
            "Forms",
            "#1 & 100%.txt",
            "日本 résumé",
            "\u{ff1a}",
            "com10",
            "conx",
            "a.b.c",
            "x".repeat(255).as_str(),
        ] {
            check(name, file, Ok(()));
        }
    }

    #[test]
    fn folds_case_and_nothing_else() {
        assert_eq!(fold("Straße ΟΔΟΣ ος"), "STRAßE ΟΔΟΣ ΟΣ");
        assert_ne!(fold("e\u{301}"), fold("\u{e9}"));
    }

    #[test]
    fn numbers_go_before_the_extension_of_files_only() {
        assert_eq!(numbered("a.b.txt", false, 1), "a.b 1.txt");
        assert_eq!(numbered("a.b", true, 2), "a.b 2");
        assert_eq!(numbered(".profile", false, 1), ".profile 1");
    }
}
