//! What must hold after a kill and a new start, once everything has come to rest.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::backup_api::Point;
use crate::dev_server::DevOptions;
use crate::listing::{Listing, differences};
use crate::restic::Restic;

/// Differences shown of one comparison.
const SHOWN: usize = 5;

/// A restore point, and what the site was then.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) point: Point,
    pub(super) listing: Listing,
}

pub(super) fn same(what: &str, should: &Listing, is: &Listing) -> anyhow::Result<()> {
    nothing(what, differences(should, is))
}

fn nothing(what: &str, differences: Vec<String>) -> anyhow::Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(SHOWN);
    let shown: Vec<String> = differences.into_iter().take(SHOWN).collect();
    bail!("{what} differs: {}; {more} more", shown.join("; "))
}

/// Restores give items temporary names while names are taken; none may stay.
pub(super) fn names(listing: &Listing) -> anyhow::Result<()> {
    let is_temporary =
        |path: &&String| path.rsplit('/').next().is_some_and(|name| name.starts_with("holdfast-"));
    let left: Vec<String> = listing.keys().filter(is_temporary).cloned().collect();
    nothing("what has a temporary name", left)
}

/// restic finds the repository whole and free, every point has its snapshot, and `sampled` restores as it was.
pub(super) fn repository(
    options: &DevOptions,
    unit: &str,
    points: &[Point],
    sampled: &Recorded,
    read_data: bool,
) -> anyhow::Result<()> {
    let restic = Restic::of_unit(&options.binary, &options.data, unit)?;
    restic.check(read_data)?;
    let snapshots = restic.snapshots()?;
    let missing: Vec<String> = points
        .iter()
        .filter(|point| !snapshots.contains_key(&point.time))
        .map(|point| point.time.clone())
        .collect();
    nothing("the snapshots of points", missing)?;
    let times: BTreeSet<&str> = points.iter().map(|point| point.time.as_str()).collect();
    if times.len() != points.len() {
        bail!("two restore points have one time");
    }
    let Some(snapshot) = snapshots.get(&sampled.point.time) else {
        bail!("the point of {} is no longer listed", sampled.point.time);
    };
    nothing("what restic restores", restic.compare(snapshot, &sampled.listing)?)
}
