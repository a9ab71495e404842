//! What belongs to the account as a whole: the key to which uploads are encrypted, retention and its receipts.

use std::sync::Arc;

use axum::{Json, extract::State};
use fault::Code;
use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{OperationError, Services, answer::Listing, caller::Caller, request::Page};

/// An OpenPGP key.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct PgpKey {
    /// Hexadecimal.
    fingerprint: String,
    /// In ASCII armor.
    public_key: String,
}

/// Show the PGP key
///
/// The key to which uploads are encrypted: the newest one. Files that were encrypted to an older one are read as long as that is not retired.
#[utoipa::path(
    get, path = "/pgp-key", operation_id = "show_pgp_key", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "The key.", body = PgpKey)), extensions(("x-problems" = json!(["not_found"])))
)]
pub(crate) async fn pgp_key(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<PgpKey>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let key: Option<PgpKey> = sqlx::query_as(
        "SELECT fingerprint, public_key FROM broadcast.pgp_keys
         WHERE purpose = 'own' AND retired_at IS NULL ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(&mut *tx)
    .await?;
    key.map(Json).ok_or_else(|| Code::NotFound.into())
}

/// How long what is kept.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Retention {
    incoming_hours: i32,
    finished_hours: i32,
    invalids_hours: i32,
    exports_hours: i32,
    /// After a campaign's last launch ended, or after its creation without one.
    campaign_hours: i32,
    /// After a campaign's creation, whatever else.
    campaign_hours_max: i32,
    /// After a launch was cancelled, for the people whom it did not mail; 0: as long as their campaign.
    cancelled_hours: i32,
    /// How often new responses are exported.
    export_minutes: i32,
    /// Whether exports are encrypted to the keys that are registered for them.
    encrypt_exports: bool,
}

/// Show the retention settings
///
/// How long files and campaigns are kept. Your operator changes them.
#[utoipa::path(
    get, path = "/retention", operation_id = "show_retention", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "The settings.", body = Retention))
)]
pub(crate) async fn retention(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Retention>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let settings = sqlx::query_as(
        "SELECT incoming_hours, finished_hours, invalids_hours, exports_hours, campaign_hours, campaign_hours_max, cancelled_hours,
                export_minutes, encrypt_exports
         FROM broadcast.tenants WHERE id = $1",
    )
    .bind(caller.tenant.0)
    .fetch_one(&mut *tx)
    .await?;
    Ok(Json(settings))
}

/// That something was deleted.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Receipt {
    number: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: String,
    ids: Vec<i64>,
    count: i64,
    rule: String,
    /// By then the last backup of the database is gone that may hold what was deleted. None: nothing was deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    backups_until: Option<OffsetDateTime>,
    /// The digest of the receipt before, hexadecimal.
    previous: String,
    digest: String,
}

/// List deletion receipts
///
/// From the first on, so that the chain of digests can be followed.
#[utoipa::path(
    get, path = "/receipts", operation_id = "list_receipts", tag = "Account", security(("key" = ["account:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Receipt>))
)]
pub(crate) async fn receipts(
    State(services): State<Arc<Services>>,
    caller: Caller,
    page: Page,
) -> Result<Json<Listing<Receipt>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let items: Vec<Receipt> = sqlx::query_as(
        "SELECT number, at, what, ids, count, rule, backups_until, encode(previous, 'hex') AS previous, encode(digest, 'hex') AS digest
         FROM broadcast.receipts WHERE $1 IS NULL OR number > $1 ORDER BY number LIMIT $2",
    )
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |receipt| receipt.number);
    Ok(Json(Listing { items, next }))
}
