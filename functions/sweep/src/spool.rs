//! Messages of launches that are over. Nobody hands them over any more. Of an account that is being deleted everything goes.

use contract::{CampaignId, LaunchId};
use store::{
    TenantTx,
    receipts::{self, Entry},
};
use time::Duration;

use crate::{Error, Job, lifetime::Rule};

/// An invocation that was making a slice when its launch ended may write it yet; it has fifteen minutes at most.
const LATE_WRITES_MAX: Duration = Duration::minutes(15);
/// Launches in one run; the next run has the others.
const LAUNCHES_MAX: i64 = 100;
const RULE: &str = "15 minutes after the launch";

/// Empties the spool of each.
pub async fn empty(job: &Job<'_>) -> Result<(), Error> {
    if job.settings.deleting {
        let objects = job.files.delete_spool_of_tenant().await?;
        let mut tx = job.tx().await?;
        append(job, &mut tx, Vec::new(), objects, &Rule::AccountEnds.to_string()).await?;
        return Ok(tx.commit().await?);
    }
    for (campaign, launch) in over(job).await? {
        if !job.has_time() {
            break;
        }
        let objects = job.files.delete_spool_of_launch(campaign, launch).await?;
        let mut tx = job.tx().await?;
        sqlx::query("UPDATE broadcast.launches SET spool_emptied_at = $2 WHERE id = $1")
            .bind(launch.0)
            .bind(job.real_now)
            .execute(&mut *tx)
            .await?;
        append(job, &mut tx, vec![campaign.0], objects, RULE).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn append(
    job: &Job<'_>,
    tx: &mut TenantTx,
    ids: Vec<i64>,
    objects: u64,
    rule: &str,
) -> Result<(), Error> {
    if objects == 0 {
        return Ok(());
    }
    let count = i64::try_from(objects).unwrap_or(i64::MAX);
    let entry = Entry { what: "spool", ids, count, rule: rule.to_owned() };
    Ok(receipts::append(tx, job.tenant, job.now, vec![entry]).await?)
}

async fn over(job: &Job<'_>) -> Result<Vec<(CampaignId, LaunchId)>, Error> {
    let mut tx = job.tx().await?;
    let over: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT campaign_id, id FROM broadcast.launches AS l
         WHERE tenant_id = $1 AND spool_emptied_at IS NULL AND ended_at <= $2
           AND NOT EXISTS (SELECT FROM broadcast.holds AS h WHERE h.campaign_id = l.campaign_id AND h.released_at IS NULL)
         ORDER BY ended_at LIMIT $3",
    )
    .bind(job.tenant.0)
    .bind(job.now - LATE_WRITES_MAX)
    .bind(LAUNCHES_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(over.into_iter().map(|(campaign, launch)| (CampaignId(campaign), LaunchId(launch))).collect())
}
