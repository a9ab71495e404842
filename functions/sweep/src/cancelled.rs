//! People whom a cancelled launch did not mail, where the tenant does not want to keep them as long as the campaign.
//!
//! Their rows of imports go, whatever import they came with; the mails that they did not get stay as counts with a digest, so the sums are true. Who was
//! taken over by a later launch is no more of the cancelled one.

use contract::{CampaignId, LaunchId};
use sqlx::AssertSqlSafe;
use store::{
    StoreError,
    receipts::{self, Entry},
    recipients,
};
use time::Duration;

use crate::{
    Error, Job,
    campaigns::{LOCK_WAIT, is_in_use},
};

/// Launches in one run; the next run has the others.
const LAUNCHES_MAX: i64 = 100;

/// Deletes those that are over.
pub async fn expire(job: &Job<'_>) -> Result<(), Error> {
    if job.settings.cancelled_hours == 0 {
        return Ok(());
    }
    for (campaign, launch) in over(job).await? {
        if !job.has_time() {
            break;
        }
        match delete_people(job, campaign, launch).await {
            Err(Error::Store(StoreError::NoCampaign)) => {}
            Err(error) if is_in_use(&error) => {
                tracing::info!(tenant = %job.tenant, %campaign, "in use: its cancelled launch goes on in the next run");
            }
            other => other?,
        }
    }
    Ok(())
}

async fn over(job: &Job<'_>) -> Result<Vec<(CampaignId, LaunchId)>, Error> {
    let mut tx = job.tx().await?;
    let over: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT campaign_id, id FROM broadcast.launches AS l
         WHERE tenant_id = $1 AND state = 'cancelled' AND recipients_deleted_at IS NULL AND NOT test AND ended_at <= $2
           AND NOT EXISTS (SELECT FROM broadcast.holds AS h WHERE h.campaign_id = l.campaign_id AND h.released_at IS NULL)
         ORDER BY ended_at LIMIT $3",
    )
    .bind(job.tenant.0)
    .bind(job.now - Duration::hours(i64::from(job.settings.cancelled_hours)))
    .bind(LAUNCHES_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(over.into_iter().map(|(campaign, launch)| (CampaignId(campaign), LaunchId(launch))).collect())
}

async fn delete_people(job: &Job<'_>, campaign: CampaignId, launch: LaunchId) -> Result<(), Error> {
    let mut tx = job.sweep.store.campaign(job.tenant, campaign).await?;
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    // Keeps another launch from being prepared, which would take them over.
    sqlx::query("SELECT FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE")
        .bind(campaign.0)
        .execute(&mut *tx)
        .await?;
    let mut rows = 0;
    for import in recipients::published(&mut tx).await? {
        let statement = format!(
            "DELETE FROM {} AS r USING ledger AS l
             WHERE l.launch_id = $1 AND l.state = 'cancelled' AND NOT l.proof AND l.address_key = r.address_key",
            import.table()
        );
        let deleted = sqlx::query(AssertSqlSafe(statement)).persistent(false).bind(launch.0);
        rows += deleted.execute(&mut *tx).await?.rows_affected();
    }
    sqlx::query("UPDATE broadcast.launches SET recipients_deleted_at = $2 WHERE id = $1")
        .bind(launch.0)
        .bind(job.real_now)
        .execute(&mut *tx)
        .await?;
    if rows > 0 {
        let rule = format!("{} hours after the launch was cancelled", job.settings.cancelled_hours);
        let count = i64::try_from(rows).unwrap_or(i64::MAX);
        let entry = Entry { what: "recipients", ids: vec![campaign.0], count, rule };
        receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
    }
    Ok(tx.commit().await?)
}
