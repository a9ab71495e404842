//! The one transaction in which responses, suppressions and evidence of a campaign are written.

use contract::{CampaignId, TenantId};
use sqlx::Row;
use store::{Store, StoreError};
use time::OffsetDateTime;

use crate::arrival::Arrival;

/// What became of some responses of one campaign.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// New rows.
    pub stored: i64,
    /// Known events: stored before.
    pub repeated: i64,
    /// Of mails that the campaign does not have, of proofs, or of a campaign that is over: acknowledged, counted here, dropped.
    pub dropped: i64,
    /// Addresses that are newly suppressed.
    pub suppressed: i64,
    /// Mails that were `unknown`, or taken for not sent, and are now known to be sent.
    pub settled: i64,
}

/// Stores responses of one campaign, all or none. When the campaign is over only their suppressions remain.
pub async fn store_responses(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &[Arrival],
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    match store_living(store, tenant, campaign, arrivals, now).await {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) | Err(StoreError::NoCampaign) => suppress_only(store, tenant, arrivals, now).await,
        Err(error) => Err(error),
    }
}

/// `None`: the campaign takes no more responses.
async fn store_living(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &[Arrival],
    now: OffsetDateTime,
) -> Result<Option<Outcome>, StoreError> {
    let mut tx = store.campaign(tenant, campaign).await?;
    tx.share_responses().await?;
    // Sweep closes a campaign under the exclusive lock: what is read behind the shared one stays true to the commit.
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM broadcast.campaigns WHERE id = $1")
        .bind(campaign.0)
        .fetch_optional(&mut *tx)
        .await?;
    if state.as_deref() != Some("open") {
        return Ok(None);
    }
    // An `unknown` mail was perhaps accepted; a response to it is the evidence. So it is for a `sending` one, whose sender may have died, and for
    // one that a person took for not sent, wherever a later launch has taken it since: it does not go out again. Proofs have no responses, but
    // who unsubscribes by one means it.
    let row = sqlx::query(
        "WITH arrived AS (
             SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[], $6::integer[], $7::text[],
                                  $8::text[], $9::text[], $10::bytea[])
                 AS a (event_id, at, kind, class, mail_id, link, diagnostic, actor, suppression, address_key)
         ), known AS (
             SELECT arrived.*, ledger.address_key AS ledger_key FROM arrived JOIN ledger ON ledger.id = mail_id WHERE NOT ledger.proof
         ), stored AS (
             INSERT INTO responses (event_id, at, kind, class, mail_id, link, diagnostic, actor)
             SELECT event_id, at, kind, class, mail_id, link, diagnostic, actor FROM known
             ON CONFLICT (event_id) DO NOTHING RETURNING 1
         ), settled AS (
             UPDATE ledger SET state = 'sent', due_at = NULL, changed_at = $12
             WHERE id IN (SELECT mail_id FROM arrived) AND state NOT IN ('sent', 'refused', 'suppressed') RETURNING 1
         ), suppressed AS (
             INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at)
             SELECT DISTINCT ON (key) $11, key, suppression, $12
             FROM (SELECT coalesce(ledger_key, address_key) AS key, suppression FROM known
                   UNION ALL
                   SELECT address_key, suppression FROM arrived WHERE mail_id NOT IN (SELECT mail_id FROM known)) AS digests
             WHERE suppression IS NOT NULL AND key IS NOT NULL ORDER BY key
             ON CONFLICT (tenant_id, address_key) DO NOTHING RETURNING 1
         )
         SELECT (SELECT count(*) FROM known) AS known, (SELECT count(*) FROM stored) AS stored,
                (SELECT count(*) FROM settled) AS settled, (SELECT count(*) FROM suppressed) AS suppressed",
    )
    .bind(column(arrivals, |arrival| arrival.event))
    .bind(column(arrivals, |arrival| arrival.at))
    .bind(column(arrivals, |arrival| arrival.kind.name()))
    .bind(column(arrivals, |arrival| arrival.class.map(mail::BounceClass::name)))
    .bind(column(arrivals, |arrival| arrival.mail.0))
    .bind(column(arrivals, |arrival| arrival.link))
    .bind(column(arrivals, |arrival| arrival.diagnostic.as_deref()))
    .bind(column(arrivals, Arrival::actor_name))
    .bind(column(arrivals, |arrival| arrival.suppression().map(crate::Suppression::name)))
    .bind(column(arrivals, |arrival| arrival.address_key.map(|key| key.0.to_vec())))
    .bind(tenant.0)
    .bind(now)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    let (known, stored): (i64, i64) = (row.get("known"), row.get("stored"));
    Ok(Some(Outcome {
        stored,
        repeated: known - stored,
        dropped: count(arrivals) - known,
        suppressed: row.get("suppressed"),
        settled: row.get("settled"),
    }))
}

/// The campaign's data is gone; who wants no more mail is remembered for the tenant's life all the same.
async fn suppress_only(
    store: &Store,
    tenant: TenantId,
    arrivals: &[Arrival],
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    let wanted: Vec<(Vec<u8>, &str)> = arrivals
        .iter()
        .filter_map(|arrival| Some((arrival.address_key?.0.to_vec(), arrival.suppression()?.name())))
        .collect();
    let (keys, reasons): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let mut suppressed = 0;
    if !keys.is_empty() {
        let mut tx = store.tenant(tenant).await?;
        suppressed = sqlx::query(
            "INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at)
             SELECT DISTINCT ON (key) $1, key, reason, $4 FROM unnest($2::bytea[], $3::text[]) AS s (key, reason) ORDER BY key
             ON CONFLICT (tenant_id, address_key) DO NOTHING",
        )
        .bind(tenant.0)
        .bind(keys)
        .bind(reasons)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
    }
    let suppressed = i64::try_from(suppressed).unwrap_or(i64::MAX);
    Ok(Outcome { dropped: count(arrivals), suppressed, ..Outcome::default() })
}

fn column<'a, T>(arrivals: &'a [Arrival], value: impl Fn(&'a Arrival) -> T) -> Vec<T> {
    arrivals.iter().map(value).collect()
}

fn count(arrivals: &[Arrival]) -> i64 {
    i64::try_from(arrivals.len()).unwrap_or(i64::MAX)
}
