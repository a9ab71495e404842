//! The deletion of a person (GDPR, article 17): asked for here, done by `sweep`.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use fault::Code;
use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Document, Id, Page},
    suppressions::{Person, digest, suppress},
};

/// The deletion of a person. It does not tell of whom.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Erasure {
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
    /// When nothing was left; a receipt says so, too. None: it is under way.
    #[serde(with = "time::serde::rfc3339::option")]
    done_at: Option<OffsetDateTime>,
    /// Rows of imports and seed lists that were deleted so far.
    rows: i64,
    /// Mails that tell no more to whom they were, so far.
    mails: i64,
    /// Files that stood in the File Exchange when it was asked for are not searched. By this time the last of them is deleted by its
    /// folder's retention; none when there is none.
    #[serde(with = "time::serde::rfc3339::option")]
    files_until: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT id, asked_at, done_at, rows, mails,
           (SELECT max(f.arrived_at + make_interval(hours => CASE f.folder WHEN 'Incoming' THEN incoming_hours WHEN 'Finished' THEN finished_hours
                                                             WHEN 'Invalids' THEN invalids_hours ELSE exports_hours END))
            FROM broadcast.files f JOIN broadcast.tenants t ON t.id = f.tenant_id WHERE f.arrived_at <= e.asked_at) AS files_until
    FROM broadcast.erasures e";

/// Delete a person
///
/// From all campaigns, within minutes: the person's rows are deleted, mails that are not handed over yet are cancelled, and those that were
/// tell no more to whom they were, nor does what came back. The address is suppressed, so that a file that still holds it mails nobody. While a launch is
/// handing over mails of the same group, its messages are waited for; a campaign under a legal hold keeps the person until the hold ends.
/// Asked for again while it is under way, the answer is the same erasure.
#[utoipa::path(
    post, path = "/recipients/erasure", operation_id = "erase_recipient", tag = "Recipients", security(("key" = ["recipients:erase"])),
    request_body(content = Person, example = json!({"address": "ann@example.org"})),
    responses((status = 202, description = "It is under way.", body = Erasure, headers(("Location" = String))))
)]
pub(crate) async fn erase(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(person): Document<Person>,
) -> Result<Response, OperationError> {
    let key = digest(&services, &caller, &person.address)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    suppress(&mut tx, &caller, key).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.erasures (tenant_id, address_key, asked_at) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, address_key) WHERE address_key IS NOT NULL DO UPDATE SET asked_at = excluded.asked_at RETURNING id",
    )
    .bind(caller.tenant.0)
    .bind(key.0.as_slice())
    .bind(caller.now)
    .fetch_one(&mut *tx)
    .await?;
    // Not the digest: an erasure's would tell who it was.
    caller.note(&mut tx, id).await?;
    let erasure: Erasure = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    let answer = Answer::accepted(format!("/v1/erasures/{id}"), &erasure)?;
    caller.end(&services, tx, answer).await
}

/// List erasures
///
/// The newest first.
#[utoipa::path(
    get, path = "/erasures", operation_id = "list_erasures", tag = "Recipients", security(("key" = ["recipients:erase"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Erasure>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Listing<Erasure>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2");
    let items: Vec<Erasure> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |erasure| erasure.id);
    Ok(Json(Listing { items, next }))
}

/// Show an erasure
#[utoipa::path(
    get, path = "/erasures/{id}", operation_id = "show_erasure", tag = "Recipients", security(("key" = ["recipients:erase"])),
    responses((status = 200, description = "The erasure.", body = Erasure))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Erasure>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let erasure = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    Ok(Json(erasure.ok_or(Code::NotFound)?))
}
