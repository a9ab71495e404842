//! What became of a campaign: its accounting, and its responses in figures.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use contract::CampaignId;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;
use store::CampaignTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    Api, ApiError,
    caller::Caller,
    campaigns::{Campaign, enter},
    request::Id,
};

/// Hours of a report: two weeks. What comes later is in the sums.
const HOURS_MAX: i64 = 336;

/// A campaign's sums. Every row and every address stands in exactly one place.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes store::Accounting, whose document is handed on")]
pub(crate) struct Accounting {
    /// Of all published imports.
    rows: i64,
    imported: i64,
    rejected: i64,
    /// Imported rows whose address stands in an earlier row, too.
    duplicates: i64,
    /// Imports by state; those that are refused count no rows.
    imports: BTreeMap<String, i64>,
    /// Addresses that no launch has taken up yet.
    unlaunched: i64,
    /// Addresses by what became of their mail.
    ledger: BTreeMap<String, i64>,
    /// Mails that the relay refused at once, by class: `hard` (the address is mailed no more), `soft`, `block`. Each is a bounce among the
    /// responses, too.
    refused: BTreeMap<String, i64>,
    responses: BTreeMap<String, i64>,
    /// Responses by kind and who caused them: `human`, `proxy`, `scanner`, `system`.
    actors: BTreeMap<String, BTreeMap<String, i64>>,
    delivered: i64,
    /// Whether `delivered` is what was sent and did not come back, for lack of reports.
    delivered_assumed: bool,
    /// Whether the sums agree.
    balanced: bool,
}

/// Show the accounting
///
/// What became of every row and every address. Of a campaign whose data is deleted, the sums that were kept.
#[utoipa::path(
    get, path = "/campaigns/{id}/accounting", operation_id = "show_accounting", tag = "Reports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The sums.", body = Accounting)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn accounting(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let campaign = Campaign::load(&mut tx, id).await?;
    if let Some(totals) = campaign.totals {
        return Ok(Json(totals));
    }
    let mut tx = enter(tx, CampaignId(id)).await?;
    Ok(Json(json!(tx.accounting().await?)))
}

/// A campaign's responses in figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResponseReport {
    kinds: Vec<KindFigures>,
    links: Vec<LinkFigures>,
    /// By the hour in which they happened, the first ones first; at most two weeks of them.
    hours: Vec<HourFigures>,
    /// By the version of the template that was mailed.
    versions: Vec<VersionFigures>,
}

/// Responses of one kind.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct KindFigures {
    /// `delivered`, `bounced`, `complained`, `opened`, `clicked` or `unsubscribed`.
    kind: String,
    /// Of a bounce `hard`, `soft` or `block`.
    class: Option<String>,
    /// `human`, `proxy`, `scanner` or `system`.
    actor: String,
    total: i64,
    /// Mails with one or more of them.
    mails: i64,
}

/// Clicks on one link.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct LinkFigures {
    template_version: i32,
    number: i32,
    /// As the template has it.
    url: String,
    total: i64,
    /// Clicks that no program made, as far as we can tell.
    human: i64,
    mails: i64,
}

/// Responses of one hour.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HourFigures {
    #[serde(with = "time::serde::rfc3339")]
    hour: OffsetDateTime,
    kind: String,
    total: i64,
}

/// Mails and responses of one version of the template.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct VersionFigures {
    template_version: i32,
    sent: i64,
    opened: i64,
    clicked: i64,
    bounced: i64,
    unsubscribed: i64,
}

/// Show the response report
///
/// Deliveries, bounces, complaints, opens, clicks and unsubscribes in figures: by kind and actor, by link, by hour and by version. Single
/// responses are in the exports.
#[utoipa::path(
    get, path = "/campaigns/{id}/responses", operation_id = "show_responses", tag = "Reports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The figures.", body = ResponseReport)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn responses(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ResponseReport>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, id).await?;
    let mut tx = enter(tx, CampaignId(id)).await?;
    Ok(Json(ResponseReport {
        kinds: kinds(&mut tx).await?,
        links: links(&mut tx).await?,
        hours: hours(&mut tx).await?,
        versions: versions(&mut tx).await?,
    }))
}

async fn kinds(tx: &mut CampaignTx) -> Result<Vec<KindFigures>, ApiError> {
    Ok(sqlx::query_as(
        "SELECT kind, class, actor, count(*) AS total, count(DISTINCT mail_id) AS mails FROM responses
         GROUP BY kind, class, actor ORDER BY kind, class, actor",
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn links(tx: &mut CampaignTx) -> Result<Vec<LinkFigures>, ApiError> {
    Ok(sqlx::query_as(
        "SELECT t.version AS template_version, k.number, k.url, count(r.seq) AS total,
                count(r.seq) FILTER (WHERE r.actor = 'human') AS human, count(DISTINCT r.mail_id) AS mails
         FROM links k JOIN broadcast.templates t ON t.id = k.template_id
         LEFT JOIN (responses r JOIN ledger m ON m.id = r.mail_id JOIN broadcast.launches l ON l.id = m.launch_id)
              ON r.kind = 'clicked' AND r.link = k.number AND l.template_id = k.template_id
         GROUP BY t.version, k.number, k.url ORDER BY t.version, k.number",
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn hours(tx: &mut CampaignTx) -> Result<Vec<HourFigures>, ApiError> {
    Ok(sqlx::query_as(
        "SELECT date_trunc('hour', at, 'UTC') AS hour, kind, count(*) AS total FROM responses
         WHERE at < (SELECT min(at) FROM responses) + make_interval(hours => $1::integer)
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(HOURS_MAX)
    .fetch_all(&mut **tx)
    .await?)
}

async fn versions(tx: &mut CampaignTx) -> Result<Vec<VersionFigures>, ApiError> {
    Ok(sqlx::query_as(
        "WITH answered AS (
             SELECT mail_id, bool_or(kind = 'opened') AS opened, bool_or(kind = 'clicked') AS clicked,
                    bool_or(kind = 'bounced') AS bounced, bool_or(kind = 'unsubscribed') AS unsubscribed
             FROM responses GROUP BY mail_id)
         SELECT t.version AS template_version, count(*) FILTER (WHERE m.state = 'sent') AS sent,
                count(*) FILTER (WHERE a.opened) AS opened, count(*) FILTER (WHERE a.clicked) AS clicked,
                count(*) FILTER (WHERE a.bounced) AS bounced, count(*) FILTER (WHERE a.unsubscribed) AS unsubscribed
         FROM ledger m JOIN broadcast.launches l ON l.id = m.launch_id JOIN broadcast.templates t ON t.id = l.template_id
         LEFT JOIN answered a ON a.mail_id = m.id
         WHERE NOT m.proof
         GROUP BY t.version ORDER BY t.version",
    )
    .fetch_all(&mut **tx)
    .await?)
}
