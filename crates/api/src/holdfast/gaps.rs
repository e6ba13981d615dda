//! `GET /holdfast/v1/restorePoints/{id}/gaps`: items that a point lacks, or of which it carries an older version

use serde_json::json;

use super::list;
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;
use crate::restore_points;

pub(crate) async fn list_gaps(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.read().await?;
    let point = restore_points::load(&mut *tx, &call).await?;
    let gaps = tx.gaps(call.caller.tenant, point.id).await?;
    Ok(list(
        gaps.into_iter()
            .map(|gap| {
                json!({
                    "driveId": gap.drive,
                    "itemId": gap.item,
                    "path": gap.path,
                    "reason": gap.reason,
                    "since": gap.since.to_string(),
                    "stale": gap.stale,
                })
            })
            .collect(),
    ))
}
