//! Tables of recipients that belong to no import.
//!
//! An import's row is there before its table, and a refused one drops its table in the transaction that refuses it: nothing of ours leaves one.
//! What a mistake or a restored database leaves would hold addresses until the campaign's end, unseen. The look for it reads the catalogue of all
//! campaigns whole, so it is taken once a day, as the folders' listing is.

use contract::{CampaignId, ImportId};
use store::{StoreError, recipients};

use crate::{Error, Job, listing};

/// Nobody reads such a table; whoever locks it all the same is let finish until the next run.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '5s'";

/// Drops them.
pub async fn drop_orphans(job: &Job<'_>) -> Result<(), Error> {
    if !listing::is_due(job) {
        return Ok(());
    }
    for (campaign, import) in orphans(job).await? {
        if !job.has_time() {
            break;
        }
        let mut tx = match job.sweep.store.campaign(job.tenant, campaign).await {
            Ok(tx) => tx,
            Err(StoreError::NoCampaign) => continue,
            Err(error) => return Err(error.into()),
        };
        sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
        recipients::drop(&mut tx, import).await?;
        tx.commit().await?;
        tracing::error!(tenant = %job.tenant, %campaign, %import, "a table of no import was dropped");
    }
    Ok(())
}

/// In the tenant's own schemas. A state that an import never leaves again, or no import at all: so nobody can come to want the table.
async fn orphans(job: &Job<'_>) -> Result<Vec<(CampaignId, ImportId)>, Error> {
    let mut tx = job.tx().await?;
    let found: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT found.campaign, found.import
         FROM (SELECT (regexp_match(n.nspname, '^campaign_([0-9]+)$'))[1]::bigint AS campaign,
                      (regexp_match(c.relname, '^recipients_([0-9]+)$'))[1]::bigint AS import
               FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relkind = 'r' AND n.nspowner = current_user::regrole) AS found
         WHERE found.campaign IS NOT NULL AND found.import IS NOT NULL
           AND NOT EXISTS (SELECT FROM broadcast.imports AS i
                           WHERE i.campaign_id = found.campaign AND i.id = found.import AND i.state NOT IN ('refusing', 'refused'))",
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(found.into_iter().map(|(campaign, import)| (CampaignId(campaign), ImportId(import))).collect())
}
