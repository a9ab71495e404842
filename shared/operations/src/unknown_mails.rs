//! Mails of which nobody knows whether the relay has them, and a person's word for it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::CampaignId;
use fault::Code;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::CampaignTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    campaigns::{Campaign, enter},
    request::{Document, Id, PAGE_ITEMS_MAX, Page, invalid},
};

/// A mail in doubt.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct UnknownMail {
    id: i64,
    launch: i64,
    /// With `line` the recipient's row.
    import: i64,
    line: i64,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// What is known: how its last delivery broke off.
    reply: Option<String>,
}

/// List unknown mails
///
/// Their connection broke off after the content, so the relay may have them or not. None is mailed again by itself. A delivery notice, a bounce,
/// an open or a click settles one; so does your word. The newest first.
#[utoipa::path(
    get, path = "/campaigns/{id}/unknown-mails", operation_id = "list_unknown_mails", tag = "Launches", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<UnknownMail>)),
    extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Listing<UnknownMail>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, campaign).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    // No index has the state, for every mail would pay for it: this reads the ledger, which is seldom asked for.
    let items: Vec<UnknownMail> = sqlx::query_as(
        "SELECT id, launch_id AS launch, import_id AS import, line, changed_at AS since, reply FROM ledger
         WHERE state = 'unknown' AND NOT proof AND ($1 IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
    )
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |mail| mail.id);
    Ok(Json(Listing { items, next }))
}

/// A person's word.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// The relay has them.
    Sent,
    /// The relay does not have them: the campaign's next launch mails them.
    NotSent,
}

impl Word {
    /// The mail's state from then on, and what it says of it.
    fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Sent => ("sent", "settled by a person: it was sent"),
            Self::NotSent => ("failed", "settled by a person: it was not sent"),
        }
    }
}

/// What is known of mails in doubt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settlement {
    #[serde(rename = "as")]
    #[schema(inline)]
    word: Word,
    /// Their ids; all of the campaign when absent.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 1000)]
    mails: Option<Vec<i64>>,
}

/// What was settled.
#[derive(Serialize, ToSchema)]
pub(crate) struct Settled {
    /// How many. Those that are not unknown, or no longer, were left as they are.
    settled: u64,
}

/// Settle unknown mails
///
/// Say `sent` or `not_sent` of some of them, or of all, when you know it: from the relay's log, say. What is `not_sent` becomes `failed`, and the
/// campaign's next launch mails it. If such a mail was sent after all and that shows before then, it is `sent`.
#[utoipa::path(
    post, path = "/campaigns/{id}/unknown-mails/settlement", operation_id = "settle_unknown_mails", tag = "Launches",
    security(("key" = ["launches:write"])),
    request_body(content = Settlement, example = json!({"as": "not_sent"})),
    responses((status = 200, description = "They are settled.", body = Settled)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn settle(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    Document(Settlement { word, mails }): Document<Settlement>,
) -> Result<Response, OperationError> {
    let possible = |mails: &Vec<i64>| {
        i64::try_from(mails.len()).is_ok_and(|count| (1..=PAGE_ITEMS_MAX).contains(&count))
    };
    if mails.as_ref().is_some_and(|mails| !possible(mails)) {
        return Err(invalid("mails", format!("1 to {PAGE_ITEMS_MAX} are possible; leave it out for all")));
    }
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    Campaign::load_open(&mut tx, campaign).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    hold_open(&mut tx).await?;
    let (state, reply) = word.meaning();
    let settled = sqlx::query(
        "UPDATE ledger SET state = $1, reply = $2, changed_at = $3
         WHERE state = 'unknown' AND NOT proof AND ($4::bigint[] IS NULL OR id = ANY ($4))",
    )
    .bind(state)
    .bind(reply)
    .bind(caller.now)
    .bind(mails)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    caller.note_with(&mut tx, campaign, &format!("done: {settled} {reply}")).await?;
    let answer = Answer::ok(&Settled { settled })?;
    caller.keep(&services, &mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer.into_response())
}

/// Sweep takes the sums of a campaign that ends under the exclusive lock: what is changed behind the shared one is in them.
async fn hold_open(tx: &mut CampaignTx) -> Result<(), OperationError> {
    tx.share_responses().await?;
    let open: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM broadcast.campaigns WHERE id = $1 AND state = 'open'")
            .bind(tx.campaign().0)
            .fetch_optional(&mut **tx)
            .await?;
    open.map(|_| ()).ok_or_else(|| Code::CampaignEnded.into())
}
