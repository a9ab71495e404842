//! Campaigns and their accounting.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use contract::CampaignId;
use fault::{Code, Notice};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use store::{CreateCampaignError, StoreError, TenantTx};
use time::OffsetDateTime;

use crate::{
    Api, ApiError,
    caller::Caller,
    request::{Document, Id, Page, malformed},
};

/// As the database checks it; in characters.
const NAME_CHARS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    name: String,
}

/// A campaign as a client sees it.
#[derive(FromRow, Serialize)]
pub(crate) struct Campaign {
    id: i64,
    name: String,
    state: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    deleted_at: Option<OffsetDateTime>,
    #[serde(skip)]
    totals: Option<Value>,
}

const SELECT: &str =
    "SELECT id, name, state, created_at, ended_at, deleted_at, totals FROM broadcast.campaigns";

impl Campaign {
    /// Loads one of the tenant's.
    pub(crate) async fn load(tx: &mut TenantTx, id: i64) -> Result<Self, ApiError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
            .bind(id)
            .fetch_optional(&mut **tx)
            .await?
            .ok_or_else(|| Code::NotFound.into())
    }

    /// Loads one that takes imports and launches; its name.
    pub(crate) async fn load_open(tx: &mut TenantTx, id: i64) -> Result<String, ApiError> {
        let campaign = Self::load(tx, id).await?;
        if campaign.state == "open" { Ok(campaign.name) } else { Err(Code::CampaignEnded.into()) }
    }
}

/// `POST /v1/campaigns`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Document(new): Document<NewCampaign>,
) -> Result<impl IntoResponse, ApiError> {
    check_name(&new.name)?;
    let tx = api.store.tenant(caller.tenant).await?;
    let mut tx = tx.create_campaign(&new.name).await.map_err(|error| match error {
        CreateCampaignError::Exists => Notice::new(Code::CampaignExists).with("campaign", &new.name).into(),
        CreateCampaignError::Store(error) => ApiError::from(error),
    })?;
    let id = tx.campaign().0;
    caller.note(&mut tx, "create_campaign", id).await?;
    tx.commit().await?;
    let mut tx = api.store.tenant(caller.tenant).await?;
    Ok((StatusCode::CREATED, Json(Campaign::load(&mut tx, id).await?)))
}

/// The file name of an upload may carry it, and file names of exports do.
fn check_name(name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        return Err(malformed(format!("name: 1 to {NAME_CHARS_MAX} characters are possible")));
    }
    if name.trim() != name || name.chars().any(|char| char.is_control() || char == '/') {
        return Err(malformed("name: a slash, a control character or space at an end is not possible"));
    }
    Ok(())
}

/// `GET /v1/campaigns`, the newest first
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2");
    let items: Vec<Campaign> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |campaign| campaign.id);
    Ok(Json(json!({"items": items, "next": next})))
}

/// `GET /v1/campaigns/{id}`
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Campaign>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Ok(Json(Campaign::load(&mut tx, id).await?))
}

/// `GET /v1/campaigns/{id}/accounting`: of a campaign whose data is deleted, the sums that were kept.
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
    let sums = match tx.enter(CampaignId(id)).await {
        Ok(mut tx) => tx.accounting().await?,
        Err(StoreError::NoCampaign) => return Err(Code::CampaignEnded.into()),
        Err(error) => return Err(error.into()),
    };
    Ok(Json(json!(sums)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_file_names() {
        for name in ["spring", "Frühling 2026", "a-b_c.d", &"x".repeat(100)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", " spring", "spring ", "a/b", "a\nb", &"x".repeat(101)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
