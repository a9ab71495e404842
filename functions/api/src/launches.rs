//! Launches.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use contract::{CampaignId, GenerateMessage, LaunchId};
use fault::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;

use crate::{
    Api, ApiError,
    caller::Caller,
    campaigns::Campaign,
    request::{Document, Id, Page},
};

/// Nothing yet: a launch takes the campaign's newest template and all its imports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLaunch {}

/// A launch as a client sees it.
#[derive(FromRow, Serialize)]
struct Launch {
    id: i64,
    #[serde(rename = "campaign")]
    campaign_id: i64,
    state: String,
    template_version: i32,
    reason_code: Option<String>,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT l.id, l.campaign_id, l.state, t.version AS template_version, l.reason_code, l.reason, l.created_at,
            l.ended_at
     FROM broadcast.launches l JOIN broadcast.templates t ON t.id = l.template_id";

/// `POST /v1/campaigns/{id}/launches`: the row, then the message. When the message is lost, generate's own schedule finds the row.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    Document(NewLaunch {}): Document<NewLaunch>,
) -> Result<impl IntoResponse, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load_open(&mut tx, campaign).await?;
    let launch = insert(&mut tx, campaign).await?;
    caller.note(&mut tx, "create_launch", launch.0).await?;
    tx.commit().await?;
    let message = GenerateMessage::Launch { tenant: caller.tenant, campaign: CampaignId(campaign), launch };
    api.clients.send_json(&api.generate_queue, caller.tenant, &message).await?;
    let place = [(header::LOCATION, format!("/v1/launches/{launch}"))];
    Ok((StatusCode::ACCEPTED, place, Json(json!({"id": launch}))))
}

/// Freezes the newest template. What else can keep a launch from starting is found by generate, which sees the recipients' columns.
async fn insert(tx: &mut TenantTx, campaign: i64) -> Result<LaunchId, ApiError> {
    let tenant = tx.tenant().0;
    let recipients: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished'))",
    )
    .bind(campaign)
    .fetch_one(&mut **tx)
    .await?;
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id)
         SELECT $1, $2, id FROM broadcast.templates WHERE campaign_id = $2 ORDER BY version DESC LIMIT 1
         RETURNING id",
    )
    .bind(tenant)
    .bind(campaign)
    .fetch_optional(&mut **tx)
    .await?;
    let id = id.ok_or(Code::TemplateMissing)?;
    if recipients { Ok(LaunchId(id)) } else { Err(Code::LaunchNothing.into()) }
}

/// `GET /v1/campaigns/{id}/launches`, the newest first
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, campaign).await?;
    let statement = format!(
        "{SELECT} WHERE l.campaign_id = $1 AND ($2 IS NULL OR l.id < $2) ORDER BY l.id DESC LIMIT $3"
    );
    let items: Vec<Launch> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(campaign)
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |launch| launch.id);
    Ok(Json(json!({"items": items, "next": next})))
}

/// `GET /v1/launches/{id}`
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<impl IntoResponse, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let launch: Option<Launch> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE l.id = $1")))
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    launch.map(Json).ok_or_else(|| ApiError::from(Code::NotFound))
}
