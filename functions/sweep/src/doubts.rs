//! A database that was restored from a backup, as far as it concerns one tenant: what was handed over since is not handed over again.
//!
//! A mail goes out of the spool alone, and the object of its slice stays there until the launch is over. So a slice without an object was never
//! handed over, unless the journal says that its object was deleted since. Every other mail that the copy takes for open may be with its recipient:
//! it becomes `unknown`, as one whose connection broke, and evidence or a person settles it. Launches wait for whoever resumes them.

use std::collections::{BTreeMap, BTreeSet};

use contract::{CampaignId, LaunchId};
use fault::{Code, Notice};
use store::{
    CampaignTx, LaunchState, StoreError,
    receipts::{self, Entry},
};

use crate::{Error, Job, campaigns::LOCK_WAIT};

/// What mails say whose outcome the copy does not know.
const REPLY: &str =
    "the database was restored from a backup; whether this mail was handed over after that is not known";
const RULE: &str = "made after the time that the database was restored to";
/// Mails that were made after the time of the copy have numbers, which stand in tokens: none is given again.
const SKIP_NUMBERS: &str = "SELECT setval(pg_get_serial_sequence('ledger', 'id'), nextval(pg_get_serial_sequence('ledger', 'id')) + 1000000)";

/// Slices of a launch that may have been handed over.
#[derive(Default)]
struct Begun {
    slices: BTreeSet<i32>,
    whole: bool,
}

/// Settles what is in doubt, once after a restore.
pub async fn settle(job: &Job<'_>) -> Result<(), Error> {
    if !job.replay_due {
        return Ok(());
    }
    let mut begun = in_spool(job).await?;
    let known = campaigns(job).await?;
    delete_strangers(job, &begun).await?;
    note_since(job, &mut begun).await?;
    for campaign in known {
        match settle_campaign(job, campaign, &begun).await {
            Err(Error::Store(StoreError::NoCampaign)) => {}
            other => other?,
        }
    }
    let mut tx = job.tx().await?;
    for statement in [
        "DELETE FROM broadcast.handed_over_since WHERE tenant_id = $1",
        "UPDATE broadcast.tenants SET replay_due = false WHERE id = $1",
    ] {
        sqlx::query(statement).bind(job.tenant.0).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// By the objects that are there.
async fn in_spool(job: &Job<'_>) -> Result<BTreeMap<(CampaignId, LaunchId), Begun>, Error> {
    let mut begun = BTreeMap::<_, Begun>::new();
    for (campaign, launch, slice) in job.files.spooled_slices().await? {
        begun.entry((campaign, launch)).or_default().slices.insert(slice);
    }
    Ok(begun)
}

/// By the journal.
async fn note_since(job: &Job<'_>, begun: &mut BTreeMap<(CampaignId, LaunchId), Begun>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let since: Vec<(i64, i64, Option<i32>)> = sqlx::query_as(
        "SELECT l.campaign_id, l.id, s.slice FROM broadcast.handed_over_since s JOIN broadcast.launches l ON l.id = s.launch_id
         WHERE s.tenant_id = $1",
    )
    .bind(job.tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for (campaign, launch, slice) in since {
        let begun = begun.entry((CampaignId(campaign), LaunchId(launch))).or_default();
        match slice {
            Some(slice) => drop(begun.slices.insert(slice)),
            None => begun.whole = true,
        }
    }
    Ok(())
}

async fn campaigns(job: &Job<'_>) -> Result<Vec<CampaignId>, Error> {
    let mut tx = job.tx().await?;
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.campaigns WHERE tenant_id = $1 AND state <> 'deleted' ORDER BY id",
    )
    .bind(job.tenant.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(ids.into_iter().map(CampaignId).collect())
}

/// Objects of launches that the copy does not know belong to nobody any more.
async fn delete_strangers(
    job: &Job<'_>,
    begun: &BTreeMap<(CampaignId, LaunchId), Begun>,
) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let ids: Vec<i64> = begun.keys().map(|(_, launch)| launch.0).collect();
    let known: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM broadcast.launches WHERE tenant_id = $1 AND id = ANY ($2)")
            .bind(job.tenant.0)
            .bind(ids)
            .fetch_all(&mut *tx)
            .await?;
    tx.commit().await?;
    for (campaign, launch) in begun.keys().filter(|(_, launch)| !known.contains(&launch.0)) {
        let objects = job.files.delete_spool_of_launch(*campaign, *launch).await?;
        let count = i64::try_from(objects).unwrap_or(i64::MAX);
        let mut tx = job.tx().await?;
        let entry = Entry { what: "spool", ids: vec![campaign.0], count, rule: RULE.to_owned() };
        receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn settle_campaign(
    job: &Job<'_>,
    campaign: CampaignId,
    begun: &BTreeMap<(CampaignId, LaunchId), Begun>,
) -> Result<(), Error> {
    let mut tx = job.sweep.store.campaign(job.tenant, campaign).await?;
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    sqlx::query(SKIP_NUMBERS).execute(&mut *tx).await?;
    let open: Vec<(i64, bool)> = sqlx::query_as(
        "SELECT id, slices IS NOT NULL FROM broadcast.launches WHERE campaign_id = $1 AND ended_at IS NULL ORDER BY id",
    )
    .bind(campaign.0)
    .fetch_all(&mut *tx)
    .await?;
    for (id, prepared) in open {
        let launch = LaunchId(id);
        match begun.get(&(campaign, launch)) {
            // Its rows were written after the time of the copy: nobody knows any more whom it mailed.
            Some(_) if !prepared => {
                store::cancel_launch(&mut tx, launch, job.real_now).await?;
                say(&mut tx, launch, LaunchState::Cancelled, Code::LaunchLost).await?;
                continue;
            }
            Some(begun) => doubt(job, &mut tx, launch, begun).await?,
            None => {}
        }
        store::pause_launch(&mut tx, launch, job.real_now).await?;
        say(&mut tx, launch, LaunchState::Paused, Code::LaunchRestored).await?;
    }
    Ok(tx.commit().await?)
}

/// Open mails of slices that may have been handed over become `unknown`.
async fn doubt(job: &Job<'_>, tx: &mut CampaignTx, launch: LaunchId, begun: &Begun) -> Result<(), Error> {
    let slices: Vec<i32> = begun.slices.iter().copied().collect();
    sqlx::query(
        "UPDATE slices SET state = 'done', due_at = NULL, sending_until = NULL WHERE launch_id = $1 AND (slice = ANY ($2) OR $3)",
    )
    .bind(launch.0)
    .bind(&slices)
    .bind(begun.whole)
    .execute(&mut **tx)
    .await?;
    let doubted = sqlx::query(
        "UPDATE ledger SET state = 'unknown', due_at = NULL, reply = $4, changed_at = $5
         WHERE launch_id = $1 AND (slice = ANY ($2) OR $3) AND state IN ('pending', 'spooled', 'sending', 'deferred')",
    )
    .bind(launch.0)
    .bind(&slices)
    .bind(begun.whole)
    .bind(REPLY)
    .bind(job.real_now)
    .execute(&mut **tx)
    .await?;
    tracing::warn!(tenant = %job.tenant, %launch, mails = doubted.rows_affected(), "may have been handed over after the backup: unknown");
    Ok(())
}

/// Why it stands still.
async fn say(tx: &mut CampaignTx, launch: LaunchId, state: LaunchState, code: Code) -> Result<(), Error> {
    let notice = Notice::new(code);
    sqlx::query("UPDATE broadcast.launches SET reason_code = $2, reason = $3 WHERE id = $1 AND state = $4")
        .bind(launch.0)
        .bind(notice.code.slug())
        .bind(notice.words())
        .bind(state.name())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
