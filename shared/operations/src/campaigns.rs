//! Campaigns.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use contract::CampaignId;
use fault::{Code, Notice, Phrase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use store::{CampaignTx, CreateCampaignError, StoreError, TenantTx};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Document, Id, IfMatch, Page, invalid},
};

/// As the database checks it; in characters.
const NAME_CHARS_MAX: usize = 100;

/// A campaign to be made, or its new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignName {
    /// Unique among the campaigns whose data is not deleted. No slash or control character, no space at an end.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^/\\s\\u0000-\\u001f\\u007f-\\u009f](?:[^/\\u0000-\\u001f\\u007f-\\u009f]*[^/\\s\\u0000-\\u001f\\u007f-\\u009f])?$"
    )]
    name: String,
}

/// A campaign.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Campaign {
    id: i64,
    pub(crate) name: String,
    /// `open`: it takes imports and launches. `deleting`: its data is being deleted. `deleted`: the sums are left.
    #[schema(pattern = "^(open|deleting|deleted)$")]
    pub(crate) state: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When its last launch ended: from here its lifetime counts.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    deleted_at: Option<OffsetDateTime>,
    /// Since when your operator keeps it beyond its lifetime: a legal hold.
    #[serde(with = "time::serde::rfc3339::option")]
    held_at: Option<OffsetDateTime>,
    #[serde(skip)]
    version: i32,
    #[serde(skip)]
    pub(crate) totals: Option<Value>,
}

const SELECT: &str = "SELECT id, name, state, created_at, ended_at, deleted_at, version, totals,
            (SELECT held_at FROM broadcast.holds h WHERE h.campaign_id = c.id AND h.released_at IS NULL) AS held_at
     FROM broadcast.campaigns c";

impl Campaign {
    /// Loads one of the tenant's.
    pub(crate) async fn load(db: &mut PgConnection, id: i64) -> Result<Self, OperationError> {
        Self::load_with(db, id, "").await
    }

    async fn load_with(db: &mut PgConnection, id: i64, lock: &'static str) -> Result<Self, OperationError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1{lock}")))
            .bind(id)
            .fetch_optional(db)
            .await?
            .ok_or_else(|| Code::NotFound.into())
    }

    /// Loads one that takes imports and launches; its name.
    pub(crate) async fn load_open(tx: &mut TenantTx, id: i64) -> Result<String, OperationError> {
        let campaign = Self::load(tx, id).await?;
        if campaign.state == "open" { Ok(campaign.name) } else { Err(Code::CampaignEnded.into()) }
    }

    fn answer(&self) -> Result<Answer, OperationError> {
        Ok(Answer::ok(self)?.of_version(self.version))
    }
}

/// Goes on in a campaign's schema, as long as there is one.
pub(crate) async fn enter(tx: TenantTx, id: CampaignId) -> Result<CampaignTx, OperationError> {
    tx.enter(id).await.map_err(|error| match error {
        StoreError::NoCampaign => Code::CampaignEnded.into(),
        error => error.into(),
    })
}

/// Make a campaign
///
/// It gets a database schema of its own.
#[utoipa::path(
    post, path = "/campaigns", operation_id = "create_campaign", tag = "Campaigns", security(("key" = ["campaigns:write"])),
    request_body(content = CampaignName, example = json!({"name": "spring"})),
    responses((status = 201, description = "Made.", body = Campaign, headers(("Location" = String), ("ETag" = String)))),
    extensions(("x-problems" = json!(["campaign_exists"])))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(new): Document<CampaignName>,
) -> Result<Response, OperationError> {
    check_name(&new.name)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let id = tx.create_campaign(&new.name).await.map_err(|error| match error {
        CreateCampaignError::Exists => exists(&new.name),
        CreateCampaignError::Store(error) => OperationError::from(error),
    })?;
    caller.note(&mut tx, id).await?;
    let campaign = Campaign::load(&mut tx, id.0).await?;
    let answer = Answer::created(format!("/v1/campaigns/{id}"), &campaign)?.of_version(campaign.version);
    caller.end(&services, tx, answer).await
}

fn exists(name: &str) -> OperationError {
    Notice::new(Code::CampaignExists).with("campaign", name).into()
}

/// The file name of an upload may carry it, and file names of exports do.
fn check_name(name: &str) -> Result<(), OperationError> {
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        return Err(invalid("name", Phrase::Characters.filled([("max", &NAME_CHARS_MAX)])));
    }
    if name.trim() != name || name.chars().any(|char| char.is_control() || char == '/') {
        return Err(invalid("name", Phrase::CampaignName));
    }
    Ok(())
}

/// List campaigns
///
/// The newest first.
#[utoipa::path(
    get, path = "/campaigns", operation_id = "list_campaigns", tag = "Campaigns", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Campaign>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Listing<Campaign>>, OperationError> {
    let mut reading = services.readers.of(caller.tenant).await?;
    let statement = format!("{SELECT} WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2");
    let items: Vec<Campaign> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *reading)
        .await?;
    reading.done();
    let next = page.next(&items, |campaign| campaign.id);
    Ok(Json(Listing { items, next }))
}

/// Show a campaign
#[utoipa::path(
    get, path = "/campaigns/{id}", operation_id = "show_campaign", tag = "Campaigns", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The campaign.", body = Campaign, headers(("ETag" = String))))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut reading = services.readers.of(caller.tenant).await?;
    let campaign = Campaign::load(&mut reading, id).await?;
    reading.done();
    campaign.answer()
}

/// Rename a campaign
#[utoipa::path(
    patch, path = "/campaigns/{id}", operation_id = "change_campaign", tag = "Campaigns", security(("key" = ["campaigns:write"])),
    params(("If-Match" = Option<String>, Header, description = "The version that you read.")),
    request_body(content = CampaignName, example = json!({"name": "spring 2027"})),
    responses((status = 200, description = "Renamed.", body = Campaign, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["campaign_exists", "campaign_ended"])))
)]
pub(crate) async fn change(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Document(new): Document<CampaignName>,
) -> Result<Answer, OperationError> {
    check_name(&new.name)?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    let before = Campaign::load_with(&mut tx, id, " FOR NO KEY UPDATE").await?;
    if_match.check(before.version)?;
    if before.state != "open" {
        return Err(Code::CampaignEnded.into());
    }
    let renamed =
        sqlx::query("UPDATE broadcast.campaigns SET name = $2, version = version + 1 WHERE id = $1")
            .bind(id)
            .bind(&new.name)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from);
    match renamed {
        Err(error) if error.constraint() == Some("campaigns_name_key") => return Err(exists(&new.name)),
        other => other?,
    };
    caller.note(&mut tx, id).await?;
    let answer = Campaign::load(&mut tx, id).await?.answer()?;
    tx.commit().await?;
    Ok(answer)
}

/// Delete a campaign
///
/// Ends its lifetime now: its responses are exported for the last time, then its data is deleted, within minutes and with receipts. Its sums
/// stay. Refused while imports or launches of it are not at their end, and under a legal hold.
#[utoipa::path(
    post, path = "/campaigns/{id}/deletion", operation_id = "delete_campaign", tag = "Campaigns", security(("key" = ["campaigns:write"])),
    params(("If-Match" = Option<String>, Header, description = "The version that you read.")),
    responses((status = 202, description = "It will be deleted.", body = Campaign, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["campaign_busy", "campaign_held"])))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<Response, OperationError> {
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    // The row's lock keeps new imports and launches out: both look whether the campaign is open.
    let before = Campaign::load_with(&mut tx, id, " FOR UPDATE").await?;
    if_match.check(before.version)?;
    if before.state == "open" {
        if before.held_at.is_some() {
            return Err(Code::CampaignHeld.into());
        }
        if let Some(what) = unfinished(&mut tx, id).await? {
            return Err(Notice::new(Code::CampaignBusy).with("what", what).into());
        }
        sqlx::query(
            "UPDATE broadcast.campaigns SET state = 'deleting', delete_asked_at = $2, version = version + 1 WHERE id = $1",
        )
        .bind(id)
        .bind(caller.now)
        .execute(&mut *tx)
        .await?;
        caller.note(&mut tx, id).await?;
    }
    let campaign = Campaign::load(&mut tx, id).await?;
    caller.end(&services, tx, Answer::accepted(format!("/v1/campaigns/{id}"), &campaign)?).await
}

/// What of the campaign is not at its end.
async fn unfinished(tx: &mut TenantTx, id: i64) -> Result<Option<&'static str>, OperationError> {
    let (imports, launches): (bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM broadcast.imports WHERE campaign_id = $1 AND state NOT IN ('finished', 'refused')),
                EXISTS (SELECT FROM broadcast.launches WHERE campaign_id = $1 AND ended_at IS NULL AND NOT test)",
    )
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(if launches { Some("launches") } else { imports.then_some("imports") })
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
