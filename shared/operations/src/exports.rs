//! Exports: responses as CSV files in the File Exchange.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use contract::ExportMessage;
use fault::Code;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Id, MaybeDocument, Page},
};

/// An export has whatever is new.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewExport {}

/// That it was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Asked {}

/// An export of one campaign: files in Exports, and a manifest that is written last.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Export {
    id: i64,
    #[serde(rename = "campaign")]
    campaign_id: i64,
    /// `planned` or `written`.
    state: String,
    /// Responses are numbered by campaign; exports follow each other without a gap: above this one,
    responses_after: i64,
    /// up to this one.
    responses_to: i64,
    rows: Option<i64>,
    /// Names below Exports, once they are written.
    files: Option<Vec<String>>,
    manifest: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    planned_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    written_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT id, campaign_id, state, seq_from AS responses_after, seq_to AS responses_to, rows, planned_at, written_at,
            CASE state WHEN 'written' THEN ARRAY(SELECT file->>'name' FROM jsonb_array_elements(files->'files') AS file) END AS files,
            CASE state WHEN 'written' THEN (files->>'base') || '-manifest.json' END AS manifest
     FROM broadcast.exports";

/// Export now
///
/// Writes what is new in all campaigns into Exports, rather than at the next interval. Without anything new nothing is written.
#[utoipa::path(
    post, path = "/exports", operation_id = "trigger_export", tag = "Files", security(("key" = ["exports:write"])),
    request_body(content = Option<NewExport>, example = json!({})),
    responses((status = 202, description = "It will be written. `Location` lists what was.", body = Asked, headers(("Location" = String))))
)]
pub(crate) async fn trigger(
    State(services): State<Arc<Services>>,
    caller: Caller,
    MaybeDocument(NewExport {}): MaybeDocument<NewExport>,
) -> Result<Response, OperationError> {
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    caller.note(&mut tx, "").await?;
    // Before the commit: it is only a nudge, and one too many does no harm.
    let message = ExportMessage::Tenant { tenant: caller.tenant };
    services.clients.send_json(&services.export_queue, caller.tenant, &message).await?;
    caller.end(&services, tx, Answer::accepted("/v1/exports".to_owned(), &Asked {})?).await
}

/// List exports
///
/// The newest first.
#[utoipa::path(
    get, path = "/exports", operation_id = "list_exports", tag = "Files", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Export>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Listing<Export>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2");
    let items: Vec<Export> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |export| export.id);
    Ok(Json(Listing { items, next }))
}

/// Show an export
#[utoipa::path(
    get, path = "/exports/{id}", operation_id = "show_export", tag = "Files", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The export.", body = Export))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Export>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let export: Option<Export> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    export.map(Json).ok_or_else(|| Code::NotFound.into())
}
