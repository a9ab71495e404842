//! The end of a launch, which whoever settles its last mail records.

use contract::{
    LaunchId,
    webhook::{Event, LaunchEnd, LaunchEnded},
};
use time::OffsetDateTime;

use crate::{CampaignTx, StoreError, announce};

/// Ends a running launch when none of its mails is open any more; says whether this call did. The campaign's lifetime then starts anew.
///
/// A mail is open exactly as long as its ledger row has a `due_at`.
///
/// Webhooks are told by the schedule of `notify`, without a nudge: a launch takes minutes, and a minute more is nothing.
pub async fn finish_launch(
    tx: &mut CampaignTx,
    launch: LaunchId,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    // Ordered, so that the partial index on `due_at` is read and not the whole launch.
    let open: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM ledger WHERE due_at IS NOT NULL AND launch_id = $1 ORDER BY due_at LIMIT 1",
    )
    .bind(launch.0)
    .fetch_optional(&mut **tx)
    .await?;
    if open.is_some() {
        return Ok(false);
    }
    let ended = sqlx::query(
        "UPDATE broadcast.launches SET state = 'done', ended_at = $2 WHERE id = $1 AND state = 'running'",
    )
    .bind(launch.0)
    .bind(now)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if ended == 1 {
        sqlx::query("UPDATE broadcast.campaigns SET ended_at = greatest(ended_at, $2) WHERE id = $1")
            .bind(tx.campaign().0)
            .bind(now)
            .execute(&mut **tx)
            .await?;
        let (tenant, campaign) = (tx.tenant(), tx.campaign());
        let end = LaunchEnded { launch, campaign, state: LaunchEnd::Done, reason_code: None };
        announce(tx, tenant, &Event::LaunchEnded(end), now).await?;
    }
    Ok(ended == 1)
}
