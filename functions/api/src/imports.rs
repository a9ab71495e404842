//! Imports: the HTTP form of the control file.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use contract::{Folder, ImportCall, ImportId, ImportMessage, Profile};
use exchange::Meta;
use fault::{Code, Notice};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;

use crate::{
    Api, ApiError,
    caller::Caller,
    campaigns::Campaign,
    request::{Document, Id, Page, malformed},
};

/// S3's longest key is 1,024 bytes; this leaves room for the folder and for endings that we add.
const FILE_NAME_BYTES_MAX: usize = 900;
/// The import profile that needs no row.
const DEFAULT_PROFILE: &str = "default";

/// The call: `contract::ImportCall` with the file's name in place of the campaign's, which the path tells.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewImport {
    file: String,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    overrides: Option<Profile>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    launch: bool,
    #[serde(default)]
    again: bool,
}

/// An import as a client sees it.
#[derive(FromRow, Serialize)]
struct Import {
    id: i64,
    #[serde(rename = "campaign")]
    campaign_id: Option<i64>,
    #[serde(rename = "file")]
    file_name: String,
    state: String,
    bytes_total: i64,
    bytes_done: i64,
    rows: i64,
    imported: i64,
    rejected: i64,
    duplicates: i64,
    /// How the file was read, given or detected, once it is published.
    charset: Option<String>,
    delimiter: Option<String>,
    reason_code: Option<String>,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

const SELECT: &str =
    "SELECT id, campaign_id, file_name, state, bytes_total, bytes_done, rows, imported, rejected, duplicates,
            charset, delimiter, reason_code, reason, created_at, ended_at FROM broadcast.imports";

/// `POST /v1/campaigns/{id}/imports`: the row, then the message. When the message is lost, sweep sends it again; a repeated call finds
/// the row.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    Document(new): Document<NewImport>,
) -> Result<impl IntoResponse, ApiError> {
    check(&new)?;
    let mut tx = api.store.tenant(caller.tenant).await?;
    let name = Campaign::load_open(&mut tx, campaign).await?;
    check_references(&mut tx, campaign, &new).await?;
    drop(tx);

    let files = api.exchange.tenant(caller.tenant, &caller.bucket).await?;
    let meta = files.head(Folder::Incoming, &new.file).await?;
    let meta = meta.ok_or_else(|| Notice::new(Code::FileMissing).with("file", &new.file))?;
    let file = new.file.clone();
    let call = ImportCall {
        campaign: name,
        profile: new.profile,
        overrides: new.overrides,
        size: new.size,
        sha256: new.sha256,
        launch: new.launch,
        again: new.again,
    };
    let mut tx = api.store.tenant(caller.tenant).await?;
    let import = insert(&mut tx, campaign, &call, &file, &meta).await?;
    caller.note(&mut tx, "create_import", import.0).await?;
    tx.commit().await?;
    let message = ImportMessage::Import { tenant: caller.tenant, import };
    api.clients.send_json(&api.import_queue, caller.tenant, &message).await?;
    let place = [(header::LOCATION, format!("/v1/imports/{import}"))];
    Ok((StatusCode::ACCEPTED, place, Json(json!({"id": import}))))
}

/// What can be wrong with the call by itself.
fn check(new: &NewImport) -> Result<(), ApiError> {
    let file = &new.file;
    if file.is_empty() || file.len() > FILE_NAME_BYTES_MAX || file.ends_with('/') {
        return Err(malformed(format!(
            "file: 1 to {FILE_NAME_BYTES_MAX} bytes are possible, and no slash at its end"
        )));
    }
    if contract::is_control_file(file) {
        return Err(malformed("file: this is a control file; name the file that it belongs to"));
    }
    if new.size.is_some_and(|size| size < 0) {
        return Err(malformed("size: it is negative"));
    }
    let hexadecimal = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if new.sha256.as_ref().is_some_and(|text| !hexadecimal(text)) {
        return Err(malformed("sha256: 64 hexadecimal digits are needed"));
    }
    Ok(())
}

/// What can be wrong with what the call names.
async fn check_references(tx: &mut TenantTx, campaign: i64, new: &NewImport) -> Result<(), ApiError> {
    if let Some(profile) = new.profile.as_deref().filter(|name| *name != DEFAULT_PROFILE) {
        let known: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM broadcast.import_profiles WHERE name = $1)")
                .bind(profile)
                .fetch_one(&mut **tx)
                .await?;
        if !known {
            return Err(Notice::new(Code::ProfileUnknown).with("profile", profile).into());
        }
    }
    if new.launch {
        let template: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM broadcast.templates WHERE campaign_id = $1)")
                .bind(campaign)
                .fetch_one(&mut **tx)
                .await?;
        if !template {
            return Err(Code::TemplateMissing.into());
        }
    }
    Ok(())
}

/// The import of exactly this file: bucket, name, `ETag` and time of upload. A second call finds the first one's.
async fn insert(
    tx: &mut TenantTx,
    campaign: i64,
    call: &ImportCall,
    file: &str,
    meta: &Meta,
) -> Result<ImportId, ApiError> {
    let tenant = tx.tenant().0;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.imports (tenant_id, campaign_id, call, file_name, etag, uploaded_at, bytes_total)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, file_name, etag, uploaded_at) DO UPDATE SET tenant_id = excluded.tenant_id
         RETURNING id",
    )
    .bind(tenant)
    .bind(campaign)
    .bind(sqlx::types::Json(call))
    .bind(file)
    .bind(&meta.etag)
    .bind(meta.modified)
    .bind(i64::try_from(meta.size).unwrap_or(i64::MAX))
    .fetch_one(&mut **tx)
    .await?;
    Ok(ImportId(id))
}

/// `GET /v1/campaigns/{id}/imports`, the newest first
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, campaign).await?;
    let statement =
        format!("{SELECT} WHERE campaign_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3");
    let items: Vec<Import> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(campaign)
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |import| import.id);
    Ok(Json(json!({"items": items, "next": next})))
}

/// `GET /v1/imports/{id}`
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<impl IntoResponse, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let import: Option<Import> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    import.map(Json).ok_or_else(|| ApiError::from(Code::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(body: Value) -> NewImport {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_call_is_checked_by_itself() {
        let digest = "ab".repeat(32);
        for body in [
            json!({"file": "list.csv"}),
            json!({"file": "a/b.csv.pgp", "size": 0, "sha256": digest, "launch": true, "overrides": {"delimiter": ";"}}),
        ] {
            assert!(check(&new(body.clone())).is_ok(), "{body}");
        }
        for body in [
            json!({"file": ""}),
            json!({"file": "folder/"}),
            json!({"file": "list.csv.ctl"}),
            json!({"file": "x".repeat(901)}),
            json!({"file": "list.csv", "size": -1}),
            json!({"file": "list.csv", "sha256": "abc"}),
        ] {
            assert!(check(&new(body.clone())).is_err(), "{body}");
        }
    }

    #[test]
    fn the_path_names_the_campaign() {
        let error = serde_json::from_value::<NewImport>(json!({"file": "f", "campaign": "c"})).err().unwrap();
        assert!(error.to_string().contains("`campaign`"));
    }
}
