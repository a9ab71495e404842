//! The transaction in which responses, suppressions and evidence of a campaign are written.

use std::ops::Add;

use contract::{CampaignId, TenantId};
use mail::{AddressKey, Timing};
use sqlx::{PgConnection, Row as _};
use store::{BinaryRows, CampaignTx, Store, StoreError, note_soft_bounces};
use time::OffsetDateTime;

use crate::{
    arrival::{Arrival, Suppression},
    decide::{Decided, Known, Standing, decide},
};

/// How often the transaction is begun anew because another one stored an event of it first; each time that one is seen.
const RACES_MAX: usize = 5;
/// Postgres's name for a row whose key is there already.
const UNIQUE_VIOLATION: &str = "23505";
/// All that is read here are look-ups by an index. To plan them for the very values of a batch takes longer than many of them; and a table that
/// the planner still takes for a small one would be read whole. For the same reason they are LATERAL with a LIMIT: such a one is never hashed.
pub const LOOK_UPS: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off";
/// The columns of a response in the order in which they are copied.
const COPY: &str = "COPY responses (event_id, at, kind, class, mail_id, link, diagnostic, actor, stored_at) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 9;

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
    /// Opens and clicks that are a program's after all.
    pub programs: u64,
}

impl Add for Outcome {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            stored: self.stored + other.stored,
            repeated: self.repeated + other.repeated,
            dropped: self.dropped + other.dropped,
            suppressed: self.suppressed + other.suppressed,
            settled: self.settled + other.settled,
            programs: self.programs + other.programs,
        }
    }
}

/// Stores responses of one campaign, all or none. When the campaign is over only their suppressions remain.
pub async fn store_responses(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &[Arrival],
    timing: &Timing,
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    let mut races = 0;
    loop {
        match store_living(store, tenant, campaign, arrivals, timing, now).await {
            Ok(Some(outcome)) => return Ok(outcome),
            Ok(None) | Err(StoreError::NoCampaign) => {
                return suppress_only(store, tenant, arrivals, timing, now).await;
            }
            // Copying is twice as fast as asking for each row whether it conflicts; only it must not happen in the middle.
            Err(error) if error.sqlstate().as_deref() == Some(UNIQUE_VIOLATION) && races < RACES_MAX => {
                races += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `None`: the campaign takes no more responses.
async fn store_living(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
    arrivals: &[Arrival],
    timing: &Timing,
    now: OffsetDateTime,
) -> Result<Option<Outcome>, StoreError> {
    let mut tx = store.campaign(tenant, campaign).await?;
    sqlx::raw_sql(LOOK_UPS).execute(&mut *tx).await?;
    tx.share_responses().await?;
    // Sweep closes a campaign under the exclusive lock: what is read behind the shared one stays true to the commit.
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM broadcast.campaigns WHERE id = $1")
        .bind(campaign.0)
        .fetch_optional(&mut *tx)
        .await?;
    if state.as_deref() != Some("open") {
        return Ok(None);
    }
    let known = known(&mut tx, arrivals).await?;
    let decided = decide(arrivals, &known, timing);
    copy(&mut tx, arrivals, &decided, now).await?;
    let settled = settle(&mut tx, &decided).await?;
    let suppressed = suppress(&mut tx, tenant, &decided.suppressions, now).await?
        + note_soft_bounces(&mut tx, tenant, &decided.soft_bounces, now).await?;
    tx.commit().await?;
    Ok(Some(Outcome {
        stored: count(&decided.rows),
        repeated: decided.repeated,
        dropped: decided.dropped,
        suppressed,
        settled,
        programs: 0,
    }))
}

/// What the campaign knows of each arrival's mail and event, in the order of the arrivals.
async fn known(tx: &mut CampaignTx, arrivals: &[Arrival]) -> Result<Vec<Option<Known>>, StoreError> {
    let rows = sqlx::query(
        "SELECT l.state, l.proof, l.changed_at, l.address_key, r.repeated
         FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS a (event_id, mail_id, place)
         LEFT JOIN LATERAL (SELECT * FROM ledger WHERE id = a.mail_id LIMIT 1) AS l ON true
         LEFT JOIN LATERAL (SELECT true AS repeated FROM responses WHERE event_id = a.event_id LIMIT 1) AS r ON true
         ORDER BY a.place",
    )
    .bind(column(arrivals, |arrival| arrival.event))
    .bind(column(arrivals, |arrival| arrival.mail.0))
    .fetch_all(&mut **tx)
    .await?;
    let known = rows.iter().map(|row| {
        let address_key: Option<&[u8]> = row.get(3);
        Some(Known {
            address_key: AddressKey(address_key?.try_into().ok()?),
            standing: Standing::of(row.get(0)),
            proof: row.get(1),
            changed_at: row.get(2),
            repeated: row.get::<Option<bool>, _>(4).is_some(),
        })
    });
    Ok(known.collect())
}

async fn copy(
    tx: &mut CampaignTx,
    arrivals: &[Arrival],
    decided: &Decided,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if decided.rows.is_empty() {
        return Ok(());
    }
    let mut copy = tx.copy_in_raw(COPY).await?;
    let mut rows = BinaryRows::default();
    for (place, actor) in &decided.rows {
        let Some(arrival) = arrivals.get(*place) else { continue };
        if let Some(chunk) = rows.begin(COLUMNS) {
            copy.send(chunk).await?;
        }
        rows.value(arrival.event.as_bytes());
        rows.time(arrival.at);
        rows.value(arrival.kind.name().as_bytes());
        rows.optional(arrival.class.map(|class| class.name().as_bytes()));
        rows.value(&arrival.mail.0.to_be_bytes());
        rows.optional(arrival.link.map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
        rows.optional(arrival.diagnostic.as_deref().map(str::as_bytes));
        rows.value(actor.map_or("system", contract::Actor::name).as_bytes());
        rows.time(now);
    }
    copy.send(rows.finish()).await?;
    copy.finish().await?;
    Ok(())
}

/// An `unknown` mail was perhaps accepted; a response to it is the evidence. So it is for a `sending` one, whose sender may have died, and for
/// one that a person took for not sent, wherever a later launch has taken it since: it does not go out again. When it was handed over stays.
async fn settle(tx: &mut CampaignTx, decided: &Decided) -> Result<i64, StoreError> {
    if decided.settled.is_empty() {
        return Ok(0);
    }
    let settled = sqlx::query(
        "UPDATE ledger SET state = 'sent', due_at = NULL WHERE id = ANY($1) AND state NOT IN ('sent', 'refused', 'suppressed')",
    )
    .bind(&decided.settled)
    .execute(&mut **tx)
    .await?;
    Ok(i64::try_from(settled.rows_affected()).unwrap_or(i64::MAX))
}

/// The campaign's data is gone; who wants no more mail is remembered for the tenant's life all the same.
async fn suppress_only(
    store: &Store,
    tenant: TenantId,
    arrivals: &[Arrival],
    timing: &Timing,
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    let Decided { suppressions, .. } = decide(arrivals, &[], timing);
    let mut suppressed = 0;
    if !suppressions.is_empty() {
        let mut tx = store.tenant(tenant).await?;
        suppressed = suppress(&mut tx, tenant, &suppressions, now).await?;
        tx.commit().await?;
    }
    Ok(Outcome { dropped: count(arrivals), suppressed, ..Outcome::default() })
}

async fn suppress(
    tx: &mut PgConnection,
    tenant: TenantId,
    suppressions: &[(AddressKey, Suppression)],
    now: OffsetDateTime,
) -> Result<i64, StoreError> {
    if suppressions.is_empty() {
        return Ok(0);
    }
    let suppressed = sqlx::query(
        "INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at)
         SELECT DISTINCT ON (key) $1, key, reason, $4 FROM unnest($2::bytea[], $3::text[]) AS s (key, reason) ORDER BY key
         ON CONFLICT (tenant_id, address_key) DO NOTHING",
    )
    .bind(tenant.0)
    .bind(suppressions.iter().map(|(key, _)| key.0.as_slice()).collect::<Vec<_>>())
    .bind(suppressions.iter().map(|(_, reason)| reason.name()).collect::<Vec<_>>())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(i64::try_from(suppressed.rows_affected()).unwrap_or(i64::MAX))
}

fn column<'a, T>(arrivals: &'a [Arrival], value: impl Fn(&'a Arrival) -> T) -> Vec<T> {
    arrivals.iter().map(value).collect()
}

fn count<T>(things: &[T]) -> i64 {
    i64::try_from(things.len()).unwrap_or(i64::MAX)
}
