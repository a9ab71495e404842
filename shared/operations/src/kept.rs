//! Reports that are kept: what was counted of a campaign, and when. Counting a million mails takes seconds, and whoever looks wants an answer
//! at once; so a large campaign is counted by the function `count`, and small ones while they are looked at.

use std::sync::Arc;

use axum::{Json, extract::State};
use contract::{CampaignId, CountMessage, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, types};
use store::{Accounting, Store, TenantTx};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    caller::Caller,
    campaigns::{Campaign, enter},
    reports::{self, BounceFigures, DomainReport, Figures, ResponseReport},
    request::Id,
};

/// Counted while somebody waits: it takes about 50 ms.
const ROWS_AT_ONCE_MAX: i64 = 20_000;
/// What is younger than this is good.
const GOOD: Duration = Duration::seconds(5);
/// Counting takes at most this part of the time.
const PAUSE_TO_COUNTING: i32 = 10;
/// Who had it counted waits so long before it is asked for again.
const ASKED_AGAIN: Duration = Duration::minutes(1);
/// Of a transaction that counts; the function ends a little later.
const STATEMENT_MS_MAX: u32 = 50_000;

/// The newest report that there is.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptReport {
    /// When it was counted; null: not yet, or its data is deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    counted_at: Option<OffsetDateTime>,
    /// Whether a newer one is being counted.
    counting: bool,
    /// What became of every row and every address.
    #[schema(value_type = Option<reports::Accounting>)]
    accounting: Option<Value>,
    #[schema(value_type = Option<ResponseReport>)]
    responses: Option<Value>,
    #[schema(value_type = Option<DomainReport>)]
    domains: Option<Value>,
    /// Mails that came back or were refused, by reason.
    #[schema(value_type = Option<Vec<BounceFigures>>)]
    bounces: Option<Value>,
}

/// What lists show of a campaign.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListedFigures {
    /// Addresses, each once.
    addresses: i64,
    /// Of these, mails that are not at their end yet.
    open: i64,
    #[serde(flatten)]
    responses: Figures,
}

impl ListedFigures {
    fn of(accounting: &Accounting, responses: Figures) -> Self {
        let open = ["pending", "spooled", "sending", "deferred"];
        let open = open.iter().filter_map(|state| accounting.ledger.get(*state)).sum();
        Self { addresses: accounting.imported - accounting.duplicates, open, responses }
    }
}

/// Show the kept report
///
/// Accounting, responses, domains and reasons of bounces, of one moment. That of a large campaign may be some minutes old: asking for it has a
/// newer one counted.
#[utoipa::path(
    get, path = "/campaigns/{id}/report", operation_id = "show_report", tag = "Reports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The newest one.", body = KeptReport)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<KeptReport>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let campaign = Campaign::load(&mut tx, id).await?;
    if let Some(totals) = campaign.totals {
        return Ok(Json(KeptReport::of_deleted(totals)));
    }
    if rows(&mut tx, id).await? <= ROWS_AT_ONCE_MAX {
        drop(tx);
        count_campaign(&services.store, caller.tenant, CampaignId(id)).await?;
        tx = services.store.tenant(caller.tenant).await?;
        return Ok(Json(load(tx, id, false).await?));
    }
    let counting = ask(&services, &mut tx, CampaignId(id), caller.now).await?;
    tx.commit().await?;
    let tx = services.store.tenant(caller.tenant).await?;
    Ok(Json(load(tx, id, counting).await?))
}

impl KeptReport {
    fn of_deleted(totals: Value) -> Self {
        Self {
            counted_at: None,
            counting: false,
            accounting: Some(totals),
            responses: None,
            domains: None,
            bounces: None,
        }
    }
}

async fn load(tx: TenantTx, id: i64, counting: bool) -> Result<KeptReport, OperationError> {
    let mut tx = enter(tx, CampaignId(id)).await?;
    let kept: Option<(OffsetDateTime, Value)> =
        sqlx::query_as("SELECT counted_at, document FROM report").fetch_optional(&mut *tx).await?;
    let (counted_at, mut document) = kept.map_or((None, Value::Null), |(at, document)| (Some(at), document));
    let mut part = |name: &str| document.get_mut(name).map(Value::take);
    Ok(KeptReport {
        counted_at,
        counting,
        accounting: part("accounting"),
        responses: part("responses"),
        domains: part("domains"),
        bounces: part("bounces"),
    })
}

/// Of all its files.
async fn rows(db: &mut PgConnection, id: i64) -> Result<i64, OperationError> {
    let rows = "SELECT coalesce(sum(rows), 0)::bigint FROM broadcast.imports WHERE campaign_id = $1";
    Ok(sqlx::query_scalar(rows).bind(id).fetch_one(db).await?)
}

#[derive(FromRow)]
struct Kept {
    counted_at: Option<OffsetDateTime>,
    took_ms: i32,
    asked_at: Option<OffsetDateTime>,
}

/// Whether it is time to count again.
fn is_due(kept: &Kept, now: OffsetDateTime) -> bool {
    let pause = GOOD.max(Duration::milliseconds(i64::from(kept.took_ms)) * PAUSE_TO_COUNTING);
    let asked = kept.asked_at.is_some_and(|at| kept.counted_at < Some(at) && now - at < ASKED_AGAIN);
    !asked && kept.counted_at.is_none_or(|at| now - at >= pause)
}

/// Has a campaign counted, unless that was done or asked for a moment ago; says whether somebody is at it.
pub(crate) async fn ask(
    services: &Services,
    tx: &mut TenantTx,
    campaign: CampaignId,
    now: OffsetDateTime,
) -> Result<bool, OperationError> {
    let tenant = tx.tenant();
    let kept: Option<Kept> =
        sqlx::query_as("SELECT counted_at, took_ms, asked_at FROM broadcast.figures WHERE campaign_id = $1")
            .bind(campaign.0)
            .fetch_optional(&mut **tx)
            .await?;
    let kept = kept.unwrap_or(Kept { counted_at: None, took_ms: 0, asked_at: None });
    if !is_due(&kept, now) {
        return Ok(kept.asked_at > kept.counted_at);
    }
    sqlx::query(
        "INSERT INTO broadcast.figures (campaign_id, tenant_id, asked_at) VALUES ($1, $2, $3)
         ON CONFLICT (campaign_id) DO UPDATE SET asked_at = excluded.asked_at",
    )
    .bind(campaign.0)
    .bind(tenant.0)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let message = CountMessage::Campaign { tenant, campaign };
    services.clients.nudge(&services.count_queue, tenant, &message).await;
    Ok(true)
}

/// Counts a campaign as it is at one moment, and keeps what it found.
pub async fn count_campaign(
    store: &Store,
    tenant: TenantId,
    campaign: CampaignId,
) -> Result<(), OperationError> {
    let begun = std::time::Instant::now();
    let mut tx = store.tenant(tenant).await?;
    // All of its statements see the same rows: sums of different parts agree.
    let settings = format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = {STATEMENT_MS_MAX}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(&mut *tx).await?;
    let counted_at: OffsetDateTime = sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
    Campaign::load(&mut tx, campaign.0).await?;
    let mut tx = enter(tx, campaign).await?;
    let accounting = tx.accounting().await?;
    let responses = reports::count_responses(&mut tx).await?;
    let figures = ListedFigures::of(&accounting, responses.totals());
    let document = json!({
        "accounting": accounting,
        "responses": responses,
        "domains": reports::count_domains(&mut tx).await?,
        "bounces": reports::count_bounces(&mut tx).await?,
    });
    tx.commit().await?;
    let took_ms = i32::try_from(begun.elapsed().as_millis()).unwrap_or(i32::MAX);
    let mut tx = enter(store.tenant(tenant).await?, campaign).await?;
    // One that was begun later may have been quicker.
    sqlx::query(
        "INSERT INTO report AS r (counted_at, document) VALUES ($1, $2)
         ON CONFLICT (one) DO UPDATE SET counted_at = excluded.counted_at, document = excluded.document
         WHERE r.counted_at < excluded.counted_at",
    )
    .bind(counted_at)
    .bind(types::Json(document))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO broadcast.figures AS f (campaign_id, tenant_id, counted_at, took_ms, figures) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (campaign_id) DO UPDATE
         SET counted_at = excluded.counted_at, took_ms = excluded.took_ms, figures = excluded.figures
         WHERE f.counted_at IS NULL OR f.counted_at < excluded.counted_at",
    )
    .bind(campaign.0)
    .bind(tenant.0)
    .bind(counted_at)
    .bind(took_ms)
    .bind(types::Json(figures))
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-01 12:00 UTC);

    #[test]
    fn what_takes_long_is_counted_less_often() {
        let before = |seconds: i64| Some(NOW - Duration::seconds(seconds));
        for (counted, took_ms, asked, expected) in [
            (None, 0, None, true),
            (None, 0, before(59), false),
            (None, 0, before(60), true),
            (before(4), 10, None, false),
            (before(5), 10, None, true),
            (before(5), 10, before(6), true),
            (before(5), 10, before(4), false),
            (before(39), 4_000, None, false),
            (before(40), 4_000, None, true),
        ] {
            let kept = Kept { counted_at: counted, took_ms, asked_at: asked };
            assert_eq!(is_due(&kept, NOW), expected, "{counted:?} {took_ms} {asked:?}");
        }
    }
}
