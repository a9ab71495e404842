//! Imports: the HTTP form of the control file.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use contract::{Folder, ImportCall, ImportId, ImportMessage, Profile};
use exchange::Meta;
use fault::{Code, Notice, Phrase};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use store::TenantTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    campaigns::Campaign,
    request::{Document, Id, Page, invalid, object},
};

/// S3's longest key is 1,024 bytes; this leaves room for the folder and for endings that we add.
const FILE_NAME_BYTES_MAX: usize = 900;
/// The import profile that needs no row.
const DEFAULT_PROFILE: &str = "default";

/// What to import, and what then. The same as in a control file, with the file's name in place of the campaign's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewImport {
    /// The file's name below Incoming.
    #[schema(min_length = 1, max_length = 900, pattern = "^[^\\u0000]*[^/\\u0000]$")]
    pub(crate) file: String,
    /// The name of an import profile; `default` when absent.
    #[serde(default)]
    pub(crate) profile: Option<String>,
    /// Parts that replace those of the profile for this import.
    #[serde(default, deserialize_with = "object")]
    pub(crate) overrides: Option<Profile>,
    /// The file's size in bytes: another one is refused.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub(crate) size: Option<i64>,
    /// The file's SHA-256, hexadecimal: another one is refused.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub(crate) sha256: Option<String>,
    /// Start the mailing as soon as the import is published.
    #[serde(default)]
    pub(crate) launch: bool,
    /// Import the file even if the campaign has an import of exactly this content.
    #[serde(default)]
    pub(crate) again: bool,
}

/// Where something is that takes time.
#[derive(Serialize, ToSchema)]
pub(crate) struct Begin {
    pub(crate) id: i64,
}

/// An import.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Import {
    pub(crate) id: i64,
    #[serde(rename = "campaign")]
    pub(crate) campaign_id: Option<i64>,
    #[serde(rename = "file")]
    pub(crate) file_name: String,
    /// `waiting`, `running`, `published` (recipients are there, the file is being moved), `finished`, or `refusing`, `refused`.
    #[schema(pattern = "^(waiting|running|published|refusing|finished|refused)$")]
    pub(crate) state: String,
    pub(crate) bytes_total: i64,
    /// No older than two seconds.
    pub(crate) bytes_done: i64,
    pub(crate) rows: i64,
    pub(crate) imported: i64,
    pub(crate) rejected: i64,
    /// Imported rows whose address stands in an earlier row or import of the campaign: it is mailed once.
    pub(crate) duplicates: i64,
    /// How the file was read, given or detected, once it is published.
    charset: Option<String>,
    delimiter: Option<String>,
    /// Why it was refused, or why no mailing was started: a code of the catalogue.
    pub(crate) reason_code: Option<String>,
    /// The same in words.
    pub(crate) reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended_at: Option<OffsetDateTime>,
    /// How many columns the file has, once it is published.
    #[serde(skip)]
    pub(crate) columns: Option<i32>,
}

const SELECT: &str =
    "SELECT id, campaign_id, file_name, state, bytes_total, bytes_done, rows, imported, rejected, duplicates,
            charset, delimiter, reason_code, reason, created_at, ended_at, cardinality(header) AS columns FROM broadcast.imports";

impl Import {
    /// Loads one of the tenant's.
    pub(crate) async fn load(db: &mut PgConnection, id: i64) -> Result<Self, OperationError> {
        let import = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
            .bind(id)
            .fetch_optional(db)
            .await?;
        import.ok_or_else(|| Code::NotFound.into())
    }

    /// The newest one of a campaign.
    pub(crate) async fn newest(tx: &mut TenantTx, campaign: i64) -> Result<Self, OperationError> {
        let statement = format!("{SELECT} WHERE campaign_id = $1 ORDER BY id DESC LIMIT 1");
        let import =
            sqlx::query_as(sqlx::AssertSqlSafe(statement)).bind(campaign).fetch_optional(&mut **tx).await?;
        import.ok_or_else(|| Code::NotFound.into())
    }
}

/// Import a file
///
/// A repeated call finds the first one, as long as the file is the same upload.
#[utoipa::path(
    post, path = "/campaigns/{id}/imports", operation_id = "create_import", tag = "Imports", security(("key" = ["imports:write"])),
    request_body(content = NewImport, example = json!({"file": "list.csv", "overrides": {"delimiter": ";"}, "launch": false})),
    responses((status = 202, description = "It will be imported. `Location` tells how far it is.", body = Begin, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["file_missing", "profile_unknown", "template_missing", "campaign_ended"])))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    Document(new): Document<NewImport>,
) -> Result<Response, OperationError> {
    begin(&services, &caller, campaign, new, |import| {
        Answer::accepted(format!("/v1/imports/{import}"), &Begin { id: import.0 })
    })
    .await
}

/// Begins an import: the row, then the message. When the message is lost, sweep sends it again; a repeated call finds the row.
pub(crate) async fn begin(
    services: &Services,
    caller: &Caller,
    campaign: i64,
    new: NewImport,
    answer: impl FnOnce(ImportId) -> Result<Answer, OperationError>,
) -> Result<Response, OperationError> {
    check(&new)?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    let name = Campaign::load_open(&mut tx, campaign).await?;
    check_references(&mut tx, campaign, &new).await?;
    drop(tx);

    let files = services.exchange.tenant(caller.tenant, &caller.identity.bucket).await?;
    let meta = files.head(Folder::Incoming, &new.file).await?;
    let mut tx = match caller.begin(services).await? {
        Begun::New(tx) => tx,
        // Whatever became of the file since then.
        Begun::Done(answer) => return Ok(answer),
    };
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
    let import = insert(&mut tx, campaign, &call, &file, &meta).await?;
    caller.note(&mut tx, import).await?;
    let response = caller.end(services, tx, answer(import)?).await?;
    let message = ImportMessage::Import { tenant: caller.tenant, import };
    services.clients.send_json(&services.import_queue, caller.tenant, &message).await?;
    Ok(response)
}

/// What can be wrong with the call by itself.
fn check(new: &NewImport) -> Result<(), OperationError> {
    let file = &new.file;
    if file.is_empty() || file.len() > FILE_NAME_BYTES_MAX || file.ends_with('/') || file.contains('\0') {
        return Err(invalid("file", Phrase::FileName.filled([("max", &FILE_NAME_BYTES_MAX)])));
    }
    if contract::is_control_file(file) {
        return Err(invalid("file", Phrase::FileControl));
    }
    if new.size.is_some_and(|size| size < 0) {
        return Err(invalid("size", "it is negative"));
    }
    let hexadecimal = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if new.sha256.as_ref().is_some_and(|text| !hexadecimal(text)) {
        return Err(invalid("sha256", "64 hexadecimal digits are needed"));
    }
    if new.profile.as_ref().is_some_and(|name| name.contains('\0')) {
        return Err(invalid("profile", Phrase::Nul));
    }
    new.overrides.as_ref().map_or(Ok(()), crate::profiles::check)
}

/// What can be wrong with what the call names.
async fn check_references(tx: &mut TenantTx, campaign: i64, new: &NewImport) -> Result<(), OperationError> {
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
) -> Result<ImportId, OperationError> {
    let tenant = tx.tenant().0;
    // Who deletes the campaign waits for this, or this sees it.
    let open: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM broadcast.campaigns WHERE id = $1 AND state = 'open' FOR KEY SHARE",
    )
    .bind(campaign)
    .fetch_optional(&mut **tx)
    .await?;
    open.ok_or(Code::CampaignEnded)?;
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

/// List a campaign's imports
///
/// The newest first.
#[utoipa::path(
    get, path = "/campaigns/{id}/imports", operation_id = "list_imports", tag = "Imports", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Import>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Listing<Import>>, OperationError> {
    let statement =
        format!("{SELECT} WHERE campaign_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3");
    let mut reading = services.readers.of(caller.tenant).await?;
    let items: Vec<Import> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(campaign)
        .bind(page.after)
        .bind(page.limit())
        .fetch_all(&mut *reading)
        .await?;
    if items.is_empty() {
        Campaign::load(&mut reading, campaign).await?;
    }
    reading.done();
    let next = page.next(&items, |import| import.id);
    Ok(Json(Listing { items, next }))
}

/// Show an import
///
/// Rows and bytes done are no older than two seconds.
#[utoipa::path(
    get, path = "/imports/{id}", operation_id = "show_import", tag = "Imports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The import.", body = Import))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Import>, OperationError> {
    let mut reading = services.readers.of(caller.tenant).await?;
    let import = Import::load(&mut reading, id).await?;
    reading.done();
    Ok(Json(import))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
            json!({"file": "list.csv", "overrides": {"delimiter": ":"}}),
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
