//! What the tenant can look at: the files of its File Exchange, and the receipts of deletions.

use std::sync::Arc;

use axum::{Json, extract::State};
use contract::Folder;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::{
    Api, ApiError,
    caller::Caller,
    request::{Page, malformed},
};

#[derive(FromRow, Serialize)]
struct File {
    id: i64,
    folder: String,
    name: String,
    size: i64,
    #[serde(with = "time::serde::rfc3339")]
    arrived_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// `GET /v1/files?folder=Exports`, the newest first
pub(crate) async fn files(
    State(api): State<Arc<Api>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Value>, ApiError> {
    let folder = page.folder.as_deref().map(str::parse::<Folder>).transpose();
    let folder = folder.map_err(|()| malformed("folder: Incoming, Finished, Invalids or Exports"))?;
    let mut tx = api.store.tenant(caller.tenant).await?;
    let items: Vec<File> = sqlx::query_as(
        "SELECT f.id, f.folder, f.name, f.size, f.arrived_at,
                f.arrived_at + make_interval(hours => CASE f.folder WHEN 'Incoming' THEN t.incoming_hours
                    WHEN 'Finished' THEN t.finished_hours WHEN 'Invalids' THEN t.invalids_hours ELSE t.exports_hours END) AS expires_at
         FROM broadcast.files f JOIN broadcast.tenants t ON t.id = f.tenant_id
         WHERE ($1 IS NULL OR f.folder = $1) AND ($2 IS NULL OR f.id < $2) ORDER BY f.id DESC LIMIT $3",
    )
    .bind(folder.map(Folder::name))
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |file| file.id);
    Ok(Json(json!({"items": items, "next": next})))
}

#[derive(FromRow, Serialize)]
struct Receipt {
    number: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: String,
    ids: Vec<i64>,
    count: i64,
    rule: String,
    previous: String,
    digest: String,
}

/// `GET /v1/receipts`, from the first on, so that the chain can be followed
pub(crate) async fn receipts(
    State(api): State<Arc<Api>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let items: Vec<Receipt> = sqlx::query_as(
        "SELECT number, at, what, ids, count, rule, encode(previous, 'hex') AS previous, encode(digest, 'hex') AS digest
         FROM broadcast.receipts WHERE $1 IS NULL OR number > $1 ORDER BY number LIMIT $2",
    )
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |receipt| receipt.number);
    Ok(Json(json!({"items": items, "next": next})))
}
