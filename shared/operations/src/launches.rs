//! Launches.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::{CampaignId, GenerateMessage, LaunchId};
use fault::{Code, Notice, Phrase};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use store::{LaunchChange, Plan, Scheduled, TenantTx};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    campaigns::{Campaign, enter},
    imports::Begin,
    request::{Id, MaybeDocument, Page, invalid},
};

/// A time that was now for the client is not in the past.
const CLOCK_DIFFERENCE: Duration = Duration::minutes(1);
/// Of a campaign that is imported in parts. The database checks it, too.
const IMPORTS_MAX: usize = 100;
/// A week: a campaign's data is kept for four, and its retries need a day more.
const PACED_MINUTES_MAX: i32 = 7 * 24 * 60;

/// A launch takes the campaign's newest template as it is now, and everybody who is imported when it starts.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NewLaunch {
    /// With its offset from UTC (`2027-03-01T09:00:00+01:00`); now when absent. One that could not be started within an hour of its time waits,
    /// paused, for somebody to say so.
    #[serde(with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    /// Over how many minutes the mails are spread, up to a week; all at once when absent.
    #[schema(minimum = 1, maximum = 10080)]
    paced_minutes: Option<i32>,
    /// Imports of the campaign whose addresses are mailed; all of them when absent.
    #[schema(min_items = 1, max_items = 100, example = json!([1]))]
    imports: Option<Vec<i64>>,
}

/// A launch.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Launch {
    id: i64,
    #[serde(rename = "campaign")]
    campaign_id: i64,
    /// `scheduled`, `preparing`, `running`, `paused`, or at its end `done`, `failed` or `cancelled`.
    #[schema(pattern = "^(scheduled|preparing|running|paused|done|failed|cancelled)$")]
    state: String,
    template_version: i32,
    /// When it is to start; null: at once.
    #[serde(with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    /// Over how many minutes its mails are spread; null: all at once.
    paced_minutes: Option<i32>,
    /// The imports whose addresses it mails; null: all of the campaign.
    #[sqlx(rename = "import_ids")]
    imports: Option<Vec<i64>>,
    /// Why it failed or waits: a code of the catalogue.
    reason_code: Option<String>,
    /// The same in words.
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT l.id, l.campaign_id, l.state, t.version AS template_version, l.starts_at, l.paced_minutes, l.import_ids,
            l.reason_code, l.reason, l.created_at, l.ended_at
     FROM broadcast.launches l JOIN broadcast.templates t ON t.id = l.template_id
     WHERE NOT l.test";

/// Launch a campaign
///
/// Mails everybody who was imported and not mailed yet, now or at a time: also whom an earlier launch, which is over, did not hand over to the
/// relay, because it was cancelled, was too late, could not make the mail, or because the address was suppressed. A mail that is sent, refused or
/// unknown is never repeated.
#[utoipa::path(
    post, path = "/campaigns/{id}/launches", operation_id = "create_launch", tag = "Launches", security(("key" = ["launches:write"])),
    request_body(content = Option<NewLaunch>, example = json!({})),
    responses((status = 202, description = "It begins. `Location` tells how far it is.", body = Begin, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["template_missing", "launch_nothing", "campaign_ended", "launch_after_end", "field_invalid"])))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    MaybeDocument(NewLaunch { starts_at, paced_minutes, imports }): MaybeDocument<NewLaunch>,
) -> Result<Response, OperationError> {
    if starts_at.is_some_and(|at| at + CLOCK_DIFFERENCE < caller.now) {
        return Err(invalid("starts_at", Phrase::PastStart));
    }
    if paced_minutes.is_some_and(|minutes| !(1..=PACED_MINUTES_MAX).contains(&minutes)) {
        return Err(invalid("paced_minutes", Phrase::Pace.filled([("max", &PACED_MINUTES_MAX)])));
    }
    if imports.as_ref().is_some_and(|imports| !(1..=IMPORTS_MAX).contains(&imports.len())) {
        return Err(invalid("imports", format!("it must name 1 to {IMPORTS_MAX} of them")));
    }
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    Campaign::load_open(&mut tx, campaign).await?;
    check_imports(&mut tx, campaign, imports.as_deref().unwrap_or_default()).await?;
    let launch = insert(&mut tx, campaign, Plan { starts_at, paced_minutes, imports }).await?;
    caller.note(&mut tx, launch).await?;
    let answer = Answer::accepted(format!("/v1/launches/{launch}"), &Begin { id: launch.0 })?;
    let response = caller.end(&services, tx, answer).await?;
    if starts_at.is_none() {
        nudge(&services, &caller, CampaignId(campaign), launch).await?;
    }
    Ok(response)
}

/// Refuses an import that has no recipients in the campaign, by its id.
async fn check_imports(tx: &mut TenantTx, campaign: i64, imports: &[i64]) -> Result<(), OperationError> {
    let other: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM unnest($2::bigint[]) AS named (id)
         WHERE NOT EXISTS (SELECT FROM broadcast.imports i WHERE i.id = named.id AND i.campaign_id = $1 AND i.state IN ('published', 'finished'))
         LIMIT 1",
    )
    .bind(campaign)
    .bind(imports)
    .fetch_optional(&mut **tx)
    .await?;
    other.map_or(Ok(()), |id| {
        Err(invalid("imports", format!("{id} is no import of this campaign that has recipients")))
    })
}

/// Has generate look at the launch. When the message is lost, its own schedule finds the row.
pub(crate) async fn nudge(
    services: &Services,
    caller: &Caller,
    campaign: CampaignId,
    launch: LaunchId,
) -> Result<(), OperationError> {
    let message = GenerateMessage::Launch { tenant: caller.tenant, campaign, launch };
    Ok(services.clients.send_json(&services.generate_queue, caller.tenant, &message).await?)
}

/// Freezes the newest template. What else can keep a launch from starting is found by generate, which sees the recipients' columns.
async fn insert(tx: &mut TenantTx, campaign: i64, plan: Plan) -> Result<LaunchId, OperationError> {
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
    let later = plan.starts_at.is_some();
    let launch = match store::schedule_launch(tx, CampaignId(campaign), plan).await? {
        Scheduled::Made(launch) => launch,
        Scheduled::NoTemplate => return Err(Code::TemplateMissing.into()),
        Scheduled::AfterEnd(end) => {
            let end = end.format(&Rfc3339).unwrap_or_default();
            return Err(Notice::new(Code::LaunchAfterEnd).with("at", end).into());
        }
    };
    // Who launches at a time may still import until then.
    if recipients || later { Ok(launch) } else { Err(Code::LaunchNothing.into()) }
}

/// List a campaign's launches
///
/// The newest first.
#[utoipa::path(
    get, path = "/campaigns/{id}/launches", operation_id = "list_launches", tag = "Launches", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Launch>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Listing<Launch>>, OperationError> {
    let statement =
        format!("{SELECT} AND l.campaign_id = $1 AND ($2 IS NULL OR l.id < $2) ORDER BY l.id DESC LIMIT $3");
    let mut reading = services.readers.of(caller.tenant).await?;
    let items: Vec<Launch> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(campaign)
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *reading)
        .await?;
    if items.is_empty() {
        Campaign::load(&mut reading, campaign).await?;
    }
    reading.done();
    let next = page.next(&items, |launch| launch.id);
    Ok(Json(Listing { items, next }))
}

/// Show a launch
#[utoipa::path(
    get, path = "/launches/{id}", operation_id = "show_launch", tag = "Launches", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The launch.", body = Launch))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Launch>, OperationError> {
    let mut reading = services.readers.of(caller.tenant).await?;
    let launch = load(&mut reading, id).await?;
    reading.done();
    Ok(Json(launch))
}

async fn load(db: &mut PgConnection, id: i64) -> Result<Launch, OperationError> {
    let launch: Option<Launch> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND l.id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await?;
    launch.ok_or_else(|| Code::NotFound.into())
}

/// Pause a launch
///
/// Within seconds nothing is handed over any more; nothing is lost. A launch that waits for its time may be paused as well.
#[utoipa::path(
    post, path = "/launches/{id}/pause", operation_id = "pause_launch", tag = "Launches", security(("key" = ["launches:write"])),
    responses((status = 200, description = "It is paused.", body = Launch)), extensions(("x-problems" = json!(["launch_state", "campaign_ended"])))
)]
pub(crate) async fn pause(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, OperationError> {
    change(&services, &caller, id, Wish::Pause).await
}

/// Resume a launch
///
/// It goes on where it stood. Its mails have their whole day for retries again.
#[utoipa::path(
    post, path = "/launches/{id}/resume", operation_id = "resume_launch", tag = "Launches", security(("key" = ["launches:write"])),
    responses((status = 200, description = "It goes on.", body = Launch)), extensions(("x-problems" = json!(["launch_state", "campaign_ended"])))
)]
pub(crate) async fn resume(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, OperationError> {
    change(&services, &caller, id, Wish::Resume).await
}

/// Cancel a launch
///
/// For good: what was not handed over is not mailed by this launch; a later one mails it. What is under way comes to its own end, and stands in
/// the accounting.
#[utoipa::path(
    post, path = "/launches/{id}/cancellation", operation_id = "cancel_launch", tag = "Launches", security(("key" = ["launches:write"])),
    responses((status = 200, description = "It is cancelled.", body = Launch)), extensions(("x-problems" = json!(["launch_state", "campaign_ended"])))
)]
pub(crate) async fn cancel(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, OperationError> {
    change(&services, &caller, id, Wish::Cancel).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Pause,
    Resume,
    Cancel,
}

async fn change(
    services: &Services,
    caller: &Caller,
    id: i64,
    wish: Wish,
) -> Result<Response, OperationError> {
    let mut tx = match caller.begin(services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let campaign = CampaignId(load(&mut tx, id).await?.campaign_id);
    let mut tx = enter(tx, campaign).await?;
    let launch = LaunchId(id);
    let changed = match wish {
        Wish::Pause => store::pause_launch(&mut tx, launch, caller.now).await?,
        Wish::Resume => store::resume_launch(&mut tx, launch, caller.now).await?,
        Wish::Cancel => store::cancel_launch(&mut tx, launch, caller.now).await?,
    };
    match changed {
        Some(LaunchChange::Done | LaunchChange::Already) => {}
        Some(LaunchChange::NotPossible(state)) => {
            let wanted = match wish {
                Wish::Pause => "paused",
                Wish::Resume => "resumed",
                Wish::Cancel => "cancelled",
            };
            let notice = Notice::new(Code::LaunchState).with("state", state.name()).with("wanted", wanted);
            return Err(notice.into());
        }
        None => return Err(Code::NotFound.into()),
    }
    caller.note(&mut tx, id).await?;
    let answer = Answer::ok(&load(&mut tx, id).await?)?;
    caller.keep(services, &mut tx, &answer).await?;
    tx.commit().await?;
    if wish != Wish::Pause {
        nudge(services, caller, campaign, launch).await?;
    }
    Ok(answer.into_response())
}
