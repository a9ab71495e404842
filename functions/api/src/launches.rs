//! Launches.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use contract::{CampaignId, GenerateMessage, LaunchId};
use fault::{Code, Notice};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    Api, ApiError,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    campaigns::Campaign,
    imports::Begin,
    request::{Document, Id, MaybeDocument, Page},
};

/// A launch takes the campaign's newest template and all its imports.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLaunch {}

/// To whom, and with which recipient's fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestMail {
    /// Who gets the test.
    #[allow(dead_code, reason = "refused until test mails are sent")]
    address: String,
}

/// A launch.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Launch {
    id: i64,
    #[serde(rename = "campaign")]
    campaign_id: i64,
    state: String,
    template_version: i32,
    /// Why it failed: a code of the catalogue.
    reason_code: Option<String>,
    /// The same in words.
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT l.id, l.campaign_id, l.state, t.version AS template_version, l.reason_code, l.reason, l.created_at,
            l.ended_at
     FROM broadcast.launches l JOIN broadcast.templates t ON t.id = l.template_id";

/// Launch a campaign
///
/// Mails everybody who was imported and not mailed yet. A repeated launch mails nobody again.
#[utoipa::path(
    post, path = "/campaigns/{id}/launches", operation_id = "create_launch", tag = "Launches", security(("key" = ["launches:write"])),
    request_body(content = Option<NewLaunch>, example = json!({})),
    responses((status = 202, description = "It begins. `Location` tells how far it is.", body = Begin, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["template_missing", "launch_nothing", "campaign_ended"])))
)]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    MaybeDocument(NewLaunch {}): MaybeDocument<NewLaunch>,
) -> Result<Response, ApiError> {
    let mut tx = match caller.begin(&api).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    Campaign::load_open(&mut tx, campaign).await?;
    let launch = insert(&mut tx, campaign).await?;
    caller.note(&mut tx, launch).await?;
    let answer = Answer::accepted(format!("/v1/launches/{launch}"), &Begin { id: launch.0 })?;
    let response = caller.end(&api, tx, answer).await?;
    // When the message is lost, generate's own schedule finds the row.
    let message = GenerateMessage::Launch { tenant: caller.tenant, campaign: CampaignId(campaign), launch };
    api.clients.send_json(&api.generate_queue, caller.tenant, &message).await?;
    Ok(response)
}

/// Freezes the newest template. What else can keep a launch from starting is found by generate, which sees the recipients' columns.
async fn insert(tx: &mut TenantTx, campaign: i64) -> Result<LaunchId, ApiError> {
    let tenant = tx.tenant().0;
    let (open, recipients): (bool, bool) = sqlx::query_as(
        "SELECT state = 'open', EXISTS (SELECT FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished'))
         FROM broadcast.campaigns WHERE id = $1 FOR KEY SHARE",
    )
    .bind(campaign)
    .fetch_one(&mut **tx)
    .await?;
    if !open {
        return Err(Code::CampaignEnded.into());
    }
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

/// List a campaign's launches
///
/// The newest first.
#[utoipa::path(
    get, path = "/campaigns/{id}/launches", operation_id = "list_launches", tag = "Launches", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Launch>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Listing<Launch>>, ApiError> {
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
    Ok(Json(Listing { items, next }))
}

/// Show a launch
#[utoipa::path(
    get, path = "/launches/{id}", operation_id = "show_launch", tag = "Launches", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The launch.", body = Launch))
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Launch>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    load(&mut tx, id).await.map(Json)
}

async fn load(tx: &mut TenantTx, id: i64) -> Result<Launch, ApiError> {
    let launch: Option<Launch> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE l.id = $1")))
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    launch.ok_or_else(|| Code::NotFound.into())
}

/// Send a test mail
///
/// Not in this version: use the preview.
#[utoipa::path(
    post, path = "/campaigns/{id}/test-mails", operation_id = "send_test_mail", tag = "Launches", security(("key" = ["launches:write"])),
    request_body(content = TestMail, example = json!({"address": "you@acme.example"})),
    responses((status = 501, description = "Not in this version.")), extensions(("x-problems" = json!(["not_yet", "campaign_ended"])))
)]
pub(crate) async fn test(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    Document(TestMail { .. }): Document<TestMail>,
) -> Result<Response, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load_open(&mut tx, campaign).await?;
    Err(Notice::new(Code::NotYet).with("what", "test mails are not sent; look at the preview").into())
}
