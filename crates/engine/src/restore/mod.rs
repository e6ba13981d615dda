//! Restores one artifact: plan, point, apply, verify.
//!
//! In place: a backup of the present state first, so that the restore can be undone and the catalogue is the live
//! picture; then steps that lead to the point's picture; then another backup, whose catalogue must show no difference.
//! What differs still is tried again, and listed in the end. Nothing is remembered of the steps: after a kill the
//! difference is computed anew, and items put aside are found by their ids.
//!
//! Single items: the same kind of steps for what was chosen, from a look at the folders that receive it.
//!
//! To a new site: the same steps from an empty library, and a listing instead of a backup to verify.

mod apply;
mod compare;
mod granular;
mod in_place;
mod names;
mod new_site;
mod plan;
pub(crate) mod source;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::{RestoreArtifact, RestoredItem, RestoredSite};
use holdfast_store::ItemFailure;

pub(crate) use apply::public_error;
pub(crate) use granular::restore_item;
pub(crate) use in_place::restore_in_place;
pub(crate) use new_site::restore_to_new_site;

/// How often the steps of a library are computed and carried out before what is left counts as failed.
const PASSES: u32 = 3;

/// Where a restore went, and what it could not restore.
pub(crate) struct Restored {
    /// `None`: nothing was restored.
    pub(crate) to: Option<RestoredTo>,
    pub(crate) failures: Vec<ItemFailure>,
}

pub(crate) enum RestoredTo {
    Site(RestoredSite),
    Item(RestoredItem),
}

/// What an attempt leaves to the next: the job's progress.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestoreProgress {
    /// In place: the present state is saved.
    #[serde(default)]
    pub(crate) is_saved: bool,
    /// New site: the path that was free, noted before the site is made.
    #[serde(default)]
    pub(crate) new_site_path: Option<String>,
    /// Granular: the names of chosen items where their own were taken or might be, by drive and item.
    #[serde(default)]
    pub(crate) chosen_names: BTreeMap<String, String>,
    /// Granular: the topmost folders that the restore makes, by drive and item.
    #[serde(default)]
    pub(crate) made_folders: BTreeSet<String>,
}

impl RestoreProgress {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The artifact in hand, with its job's progress.
pub(crate) struct RestoreTask<'a> {
    pub(crate) run: crate::backup::Run<'a>,
    pub(crate) artifact: &'a RestoreArtifact,
    pub(crate) progress: RestoreProgress,
}

impl RestoreTask<'_> {
    async fn save_progress(&self) -> Result<(), crate::error::JobError> {
        let text = serde_json::to_string(&self.progress).expect("texts serialize");
        let mut tx = self.run.shared.store.begin().await?;
        tx.put_progress(self.run.keeper.lease()?, &text).await?;
        Ok(tx.commit().await?)
    }
}
