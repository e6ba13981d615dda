//! Names for single items whose own is taken.

use std::collections::HashMap;

use holdfast_connector::DriveItem;
use holdfast_domain::{DriveId, ItemId};

use super::RestoreTask;
use super::plan::{TargetKind, fold};
use crate::error::JobError;

/// What has which name in the folder that receives the items.
pub(super) struct Names<'l> {
    /// What is known already, by folded name.
    pub(super) live: &'l mut HashMap<String, DriveItem>,
    /// `None`: the folder is not there yet.
    pub(super) place: Option<&'l ItemId>,
    /// A folded name that was looked for: it is known, or nothing has it.
    pub(super) looked_up: String,
}

impl Names<'_> {
    pub(super) async fn occupant(
        &mut self,
        task: &RestoreTask<'_>,
        drive: &DriveId,
        name: &str,
    ) -> Result<Option<DriveItem>, JobError> {
        let folded = fold(name);
        if let Some(known) = self.live.get(&folded) {
            return Ok(Some(known.clone()));
        }
        let Some(place) = self.place.filter(|_| folded != self.looked_up) else { return Ok(None) };
        let found = task.run.connector.child(drive, place, name).await?;
        if let Some(found) = &found {
            self.live.insert(folded, found.clone());
        }
        Ok(found)
    }
}

/// `name 1.ext`, as the service names copies; the name itself with number 0.
pub(super) fn numbered(name: &str, number: u32, kind: &TargetKind) -> String {
    if number == 0 {
        return name.to_owned();
    }
    match (kind, name.rsplit_once('.')) {
        (TargetKind::File { .. }, Some((stem, extension))) if !stem.is_empty() => {
            format!("{stem} {number}.{extension}")
        }
        _ => format!("{name} {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_extension_of_files() {
        let file = TargetKind::File { size: 0, quick_xor_hash: String::new(), content: Vec::new() };
        assert_eq!(numbered("a.tar.gz", 1, &file), "a.tar 1.gz");
        assert_eq!(numbered("a", 2, &file), "a 2");
        assert_eq!(numbered("a.b", 0, &file), "a.b");
        assert_eq!(numbered(".profile", 1, &file), ".profile 1");
        assert_eq!(numbered("v1.0", 3, &TargetKind::Folder), "v1.0 3");
    }
}
