//! Campaigns past their lifetime: closed, exported for the last time, counted, deleted.
//!
//! open launches -> cancelled: nobody is mailed whose answer could not be stored. open -> deleting (closed: under the exclusive lock of its
//! responses, so that none comes behind the last export) -> last export asked for, until it is done -> sums kept, spool emptied, tables
//! dropped one by one, then the schema -> deleted, with receipts, in the one transaction that also takes the customer's words out of the
//! global rows. Each arrow is taken again from what is found.

use contract::{CampaignId, ExportMessage, LaunchId};
use serde::{Deserialize, Serialize};
use sqlx::{Row, types::Json};
use store::{
    Accounting, CampaignTx, StoreError,
    receipts::{self, Entry},
};
use time::OffsetDateTime;

use crate::{
    Error, Job,
    lifetime::{CLOSING, Campaign, FINAL_EXPORT_WAIT_MAX, Rule, Step},
};

/// How long to wait for those who still work in the campaign before the next run tries again; others wait behind.
pub const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '5s'";
/// Slices of a cancelled launch that one transaction takes back.
const CANCELLED_SLICES_MAX: i64 = 200;
/// Postgres's name for a lock that did not come in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What stays of a campaign: counts only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Totals {
    #[serde(flatten)]
    sums: Accounting,
    /// From here the wait for the last export is counted.
    #[serde(with = "time::serde::rfc3339")]
    closed_at: OffsetDateTime,
    /// Responses that no export holds; zero but when that wait was in vain.
    unexported: i64,
}

/// Does what is due for every campaign of the tenant. One that fails does not keep the others.
pub async fn end(job: &Job<'_>) -> Result<(), Error> {
    let mut failed = None;
    for (id, campaign) in candidates(job).await? {
        if !job.has_time() {
            break;
        }
        let ended = match campaign.step(&job.settings, job.now) {
            (Step::Leave, _) => Ok(()),
            (Step::Close, _) => close(job, id).await.map(|_| ()),
            (Step::Delete, rule) => delete(job, id, rule).await,
        };
        match ended {
            Err(error) if is_in_use(&error) => {
                tracing::info!(tenant = %job.tenant, campaign = %id, "in use: goes on in the next run");
            }
            Err(error) => failed = Some(error),
            Ok(()) => {}
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Whether it failed because somebody else kept a lock for longer than [`LOCK_WAIT`].
pub fn is_in_use(error: &Error) -> bool {
    matches!(error, Error::Store(error) if error.sqlstate().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// Campaigns whose end may be near, by the settings' earliest rule, and that nobody holds.
async fn candidates(job: &Job<'_>) -> Result<Vec<(CampaignId, Campaign)>, Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query(
        "SELECT c.id, c.created_at, c.ended_at, c.delete_asked_at, c.state <> 'open' AS closed,
                EXISTS (SELECT FROM broadcast.imports AS i WHERE i.campaign_id = c.id AND i.lease_until > $2)
                OR EXISTS (SELECT FROM broadcast.launches AS l WHERE l.campaign_id = c.id AND l.ended_at IS NULL AND NOT l.test) AS busy
         FROM broadcast.campaigns AS c
         WHERE c.tenant_id = $1 AND c.state <> 'deleted'
           AND NOT EXISTS (SELECT FROM broadcast.holds AS h WHERE h.campaign_id = c.id AND h.released_at IS NULL)
           AND (c.state = 'deleting' OR $6 OR least(coalesce(c.ended_at, c.created_at) + make_interval(hours => $3),
                                              c.created_at + make_interval(hours => $4)) <= $5)
         ORDER BY c.id",
    )
    .bind(job.tenant.0)
    .bind(job.real_now)
    .bind(job.settings.campaign_hours)
    .bind(job.settings.campaign_hours_max)
    .bind(job.now + CLOSING)
    .bind(job.settings.deleting)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let campaign = |row: &sqlx::postgres::PgRow| {
        let campaign = Campaign {
            created_at: row.get("created_at"),
            ended_at: row.get("ended_at"),
            delete_asked_at: row.get("delete_asked_at"),
            closed: row.get("closed"),
            busy: row.get("busy"),
        };
        (CampaignId(row.get("id")), campaign)
    };
    Ok(rows.iter().map(campaign).collect())
}

/// Cancels what is open of the campaign's launches, whatever they wait for. Each transaction takes a launch before its campaign, as everybody
/// does.
async fn cancel_launches(job: &Job<'_>, campaign: CampaignId) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let open: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.launches WHERE campaign_id = $1 AND ended_at IS NULL ORDER BY id",
    )
    .bind(campaign.0)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for launch in open.into_iter().map(LaunchId) {
        let mut tx = job.sweep.store.campaign(job.tenant, campaign).await?;
        sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
        store::cancel_launch(&mut tx, launch, job.real_now).await?;
        tx.commit().await?;
        let mut more = true;
        while more && job.has_time() {
            let mut tx = job.sweep.store.campaign(job.tenant, campaign).await?;
            more = store::cancel_mails(&mut tx, launch, job.real_now, CANCELLED_SLICES_MAX).await?;
            tx.commit().await?;
        }
        tracing::info!(tenant = %job.tenant, %campaign, %launch, "cancelled: its campaign ends");
    }
    Ok(())
}

/// Closes a campaign and asks for its last export. `false`: somebody holds it since it was looked at.
async fn close(job: &Job<'_>, campaign: CampaignId) -> Result<bool, Error> {
    match cancel_launches(job, campaign).await {
        Err(Error::Store(StoreError::NoCampaign)) => return Ok(true),
        other => other?,
    }
    let mut tx = match job.sweep.store.campaign(job.tenant, campaign).await {
        Ok(tx) => tx,
        // Nothing to close: deletion will find the same.
        Err(StoreError::NoCampaign) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
    tx.close_responses().await?;
    sqlx::query("UPDATE broadcast.campaigns SET state = 'deleting' WHERE id = $1 AND state = 'open'")
        .bind(campaign.0)
        .execute(&mut *tx)
        .await?;
    // Whoever makes a hold locks the campaign's row first, and finds it closed from here on.
    if is_held(&mut tx).await? {
        return Ok(false);
    }
    let unexported = count_and_keep(&mut tx, job.now).await?;
    tx.commit().await?;
    tracing::info!(tenant = %job.tenant, %campaign, unexported, "closed");
    if unexported > 0 && !job.settings.deleting {
        ask_for_export(job, campaign).await?;
    }
    Ok(true)
}

async fn is_held(tx: &mut CampaignTx) -> Result<bool, Error> {
    let held = "SELECT EXISTS (SELECT FROM broadcast.holds WHERE campaign_id = $1 AND released_at IS NULL)";
    Ok(sqlx::query_scalar(held).bind(tx.campaign().0).fetch_one(&mut **tx).await?)
}

async fn ask_for_export(job: &Job<'_>, campaign: CampaignId) -> Result<(), Error> {
    let message = ExportMessage::Final { tenant: job.tenant, campaign };
    Ok(job.sweep.clients.send_json(&job.sweep.export_queue_url, job.tenant, &message).await?)
}

/// Keeps the campaign's sums with its global row; says how many responses no export holds.
async fn count_and_keep(tx: &mut CampaignTx, closed_at: OffsetDateTime) -> Result<i64, Error> {
    let campaign = tx.campaign().0;
    let unexported: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM responses WHERE seq > (SELECT exported_seq FROM broadcast.campaigns WHERE id = $1)",
    )
    .bind(campaign)
    .fetch_one(&mut **tx)
    .await?;
    let totals = Totals { sums: tx.accounting().await?, closed_at, unexported };
    sqlx::query("UPDATE broadcast.campaigns SET totals = $2 WHERE id = $1")
        .bind(campaign)
        .bind(Json(&totals))
        .execute(&mut **tx)
        .await?;
    Ok(unexported)
}

/// Takes a campaign as far towards its deletion as it goes now.
async fn delete(job: &Job<'_>, campaign: CampaignId, rule: Rule) -> Result<(), Error> {
    let mut kept = kept_totals(job, campaign).await?;
    if kept.is_none() {
        if !close(job, campaign).await? {
            return Ok(());
        }
        kept = kept_totals(job, campaign).await?;
    }
    if let Some(totals) = &kept
        && !exported(job, campaign, totals.closed_at).await?
    {
        return Ok(());
    }
    if !drop_data(job, campaign, rule).await? {
        return Ok(());
    }
    record(job, campaign, rule).await
}

async fn kept_totals(job: &Job<'_>, campaign: CampaignId) -> Result<Option<Totals>, Error> {
    let mut tx = job.tx().await?;
    let totals: Option<Json<Totals>> =
        sqlx::query_scalar("SELECT totals FROM broadcast.campaigns WHERE id = $1")
            .bind(campaign.0)
            .fetch_one(&mut *tx)
            .await?;
    Ok(totals.map(|Json(totals)| totals))
}

/// Whether the data may go: every response is in an export, or the wait for that is over. The sums are then those of the end.
async fn exported(job: &Job<'_>, campaign: CampaignId, closed_at: OffsetDateTime) -> Result<bool, Error> {
    let mut tx = match job.sweep.store.campaign(job.tenant, campaign).await {
        Ok(tx) => tx,
        // A run before this one dropped the schema and got no further.
        Err(StoreError::NoCampaign) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    // Responses are dropped after the recipients and before the rest: without them a run before this one has counted.
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('responses') IS NOT NULL").fetch_one(&mut *tx).await?;
    if !there {
        return Ok(true);
    }
    let unexported = count_and_keep(&mut tx, closed_at).await?;
    tx.commit().await?;
    // Nobody could fetch the last export of an account that is being deleted.
    if unexported == 0 || job.settings.deleting {
        return Ok(true);
    }
    if job.now < closed_at + FINAL_EXPORT_WAIT_MAX {
        ask_for_export(job, campaign).await?;
        return Ok(false);
    }
    tracing::error!(tenant = %job.tenant, %campaign, unexported, "the last export did not come: its responses are deleted");
    Ok(true)
}

/// Empties the spool, drops table by table, then the schema; `false` when the time is up.
async fn drop_data(job: &Job<'_>, campaign: CampaignId, rule: Rule) -> Result<bool, Error> {
    let objects = job.files.delete_spool_of_campaign(campaign).await?;
    if objects > 0 {
        let mut tx = job.tx().await?;
        let count = i64::try_from(objects).unwrap_or(i64::MAX);
        let entry = Entry { what: "spool", ids: vec![campaign.0], count, rule: rule.to_string() };
        receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
        tx.commit().await?;
    }
    loop {
        let mut tx = match job.sweep.store.campaign(job.tenant, campaign).await {
            Ok(tx) => tx,
            Err(StoreError::NoCampaign) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let tables = tx.tables().await?;
        if tables.is_empty() {
            // An import that still writes keeps the schema locked.
            sqlx::query(LOCK_WAIT).execute(&mut *tx).await?;
            tx.drop_schema().await?;
        }
        tx.commit().await?;
        // Each in a transaction of its own: none holds many locks, and what is done stays done.
        for table in tables {
            if !job.has_time() {
                return Ok(false);
            }
            let mut tx = job.sweep.store.campaign(job.tenant, campaign).await?;
            tx.drop_table(&table).await?;
            tx.commit().await?;
        }
    }
}

/// The last transaction: what the customer wrote goes out of the global rows, the state and the receipts come in.
async fn record(job: &Job<'_>, campaign: CampaignId, rule: Rule) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let ended = sqlx::query_scalar(
        "UPDATE broadcast.campaigns SET state = 'deleted', deleted_at = $2 WHERE id = $1 AND state = 'deleting' RETURNING totals",
    )
    .bind(campaign.0)
    .bind(job.now)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(totals) = ended else { return Ok(()) };
    for statement in [
        "DELETE FROM broadcast.launches WHERE campaign_id = $1",
        "DELETE FROM broadcast.templates WHERE campaign_id = $1",
        "UPDATE broadcast.exports SET files = NULL WHERE campaign_id = $1",
        // What has not ended by now ends here: nobody could go on with it.
        "UPDATE broadcast.imports SET file_name = id::text, etag = '', control_etag = NULL, call = '{}', header = NULL, reason = NULL,
                sha256 = NULL, content_sha256 = NULL, lease_until = NULL, ended_at = coalesce(ended_at, now()),
                reason_code = CASE WHEN state IN ('waiting', 'running') THEN 'campaign_ended' ELSE reason_code END,
                state = CASE WHEN state IN ('published', 'finished') THEN 'finished' ELSE 'refused' END
         WHERE campaign_id = $1",
    ] {
        sqlx::query(statement).bind(campaign.0).execute(&mut *tx).await?;
    }
    let totals: Option<Json<Totals>> = totals;
    let entries = totals.map_or_else(Vec::new, |Json(totals)| entries(campaign, rule, &totals));
    receipts::append(&mut tx, job.tenant, job.now, entries).await?;
    tx.commit().await?;
    tracing::info!(tenant = %job.tenant, %campaign, %rule, "deleted");
    Ok(())
}

/// One receipt each for people, mails and responses.
fn entries(campaign: CampaignId, rule: Rule, totals: &Totals) -> Vec<Entry> {
    let entry = |what, count, rule: String| Entry { what, ids: vec![campaign.0], count, rule };
    let responses = match totals.unexported {
        0 => rule.to_string(),
        lost => format!("{rule}; {lost} of them without an export"),
    };
    vec![
        entry("recipients", totals.sums.imported, rule.to_string()),
        entry("mails", totals.sums.ledger.values().sum(), rule.to_string()),
        entry("responses", totals.sums.responses.values().sum(), responses),
    ]
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn totals(unexported: i64) -> Totals {
        let counts =
            |counts: &[(&str, i64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let sums = Accounting {
            imported: 10,
            ledger: counts(&[("sent", 7), ("suppressed", 1)]),
            responses: counts(&[("opened", 3), ("clicked", 2)]),
            ..Accounting::default()
        };
        Totals { sums, closed_at: datetime!(2026-11-23 12:00 UTC), unexported }
    }

    #[test]
    fn the_totals_are_the_accounting_and_a_little_more() {
        let json = serde_json::to_value(totals(0)).unwrap();
        assert_eq!((&json["imported"], &json["closed_at"]), (&10.into(), &"2026-11-23T12:00:00Z".into()));
        assert_eq!(serde_json::from_value::<Accounting>(json).unwrap(), totals(0).sums);
    }

    #[test]
    fn receipts_count_people_mails_and_responses() {
        let entries = |unexported| entries(CampaignId(4), Rule::AfterLaunch(672), &totals(unexported));
        let found = entries(0);
        let short: Vec<_> =
            found.iter().map(|entry| (entry.what, entry.count, entry.ids.as_slice())).collect();
        assert_eq!(short, [("recipients", 10, &[4][..]), ("mails", 8, &[4]), ("responses", 5, &[4])]);
        assert_eq!(found[2].rule, "672 hours after the last launch");
        assert_eq!(entries(2)[2].rule, "672 hours after the last launch; 2 of them without an export");
    }
}
