//! What belongs to the account as a whole: the key to which uploads are encrypted, retention and its receipts.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use fault::{Code, Phrase};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::{
    OperationError, Services,
    answer::Listing,
    caller::Caller,
    request::{Document, Page, invalid, query},
};

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
/// How long files and campaigns are kept.
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

/// What is to be kept for how long. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as the settings are named everywhere")]
pub(crate) struct RetentionChange {
    #[schema(minimum = 1, maximum = 8760)]
    incoming_hours: Option<i32>,
    #[schema(minimum = 1, maximum = 8760)]
    finished_hours: Option<i32>,
    #[schema(minimum = 1, maximum = 8760)]
    invalids_hours: Option<i32>,
    #[schema(minimum = 1, maximum = 8760)]
    exports_hours: Option<i32>,
    /// The hard limit of campaigns (`campaign_hours_max`) holds whatever stands here; your operator changes that.
    #[schema(minimum = 1, maximum = 8760)]
    campaign_hours: Option<i32>,
    #[schema(minimum = 0, maximum = 8760)]
    cancelled_hours: Option<i32>,
}

/// A year, as the database checks it.
const HOURS_MAX: i32 = 8760;

impl RetentionChange {
    fn check(&self) -> Result<(), OperationError> {
        let fields = [
            ("incoming_hours", self.incoming_hours, 1),
            ("finished_hours", self.finished_hours, 1),
            ("invalids_hours", self.invalids_hours, 1),
            ("exports_hours", self.exports_hours, 1),
            ("campaign_hours", self.campaign_hours, 1),
            ("cancelled_hours", self.cancelled_hours, 0),
        ];
        let wrong = fields
            .into_iter()
            .find(|(_, hours, min)| hours.is_some_and(|hours| !(*min..=HOURS_MAX).contains(&hours)));
        match wrong {
            Some((field, _, min)) => {
                Err(invalid(field, Phrase::Between.filled([("min", &min), ("max", &HOURS_MAX)])))
            }
            None => Ok(()),
        }
    }
}

/// Change the retention settings
///
/// They hold within five minutes, for what stands there already, too: what is older than a new time is deleted then.
#[utoipa::path(
    patch, path = "/retention", operation_id = "change_retention", tag = "Account", security(("key" = ["retention:write"])),
    request_body(content = RetentionChange, example = json!({"exports_hours": 168})),
    responses((status = 200, description = "The settings from now on.", body = Retention))
)]
pub(crate) async fn change_retention(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(change): Document<RetentionChange>,
) -> Result<Json<Retention>, OperationError> {
    change.check()?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    let settings: Retention = sqlx::query_as(
        "UPDATE broadcast.tenants SET incoming_hours = coalesce($2, incoming_hours), finished_hours = coalesce($3, finished_hours),
             invalids_hours = coalesce($4, invalids_hours), exports_hours = coalesce($5, exports_hours),
             campaign_hours = coalesce($6, campaign_hours), cancelled_hours = coalesce($7, cancelled_hours)
         WHERE id = $1
         RETURNING incoming_hours, finished_hours, invalids_hours, exports_hours, campaign_hours, campaign_hours_max, cancelled_hours,
             export_minutes, encrypt_exports",
    )
    .bind(caller.tenant.0)
    .bind(change.incoming_hours)
    .bind(change.finished_hours)
    .bind(change.invalids_hours)
    .bind(change.exports_hours)
    .bind(change.campaign_hours)
    .bind(change.cancelled_hours)
    .fetch_one(&mut *tx)
    .await?;
    let Retention {
        incoming_hours,
        finished_hours,
        invalids_hours,
        exports_hours,
        campaign_hours,
        cancelled_hours,
        ..
    } = &settings;
    // The audit has what holds from now on: a receipt's rule can be followed back to who set it.
    let subject = format!(
        "{incoming_hours} {finished_hours} {invalids_hours} {exports_hours} {campaign_hours} {cancelled_hours} hours"
    );
    caller.note(&mut tx, subject).await?;
    tx.commit().await?;
    Ok(Json(settings))
}

/// Something whose time is coming.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Deletion {
    /// `file` or `campaign`.
    #[schema(pattern = "^(file|campaign)$")]
    what: String,
    id: i64,
    /// Of a file.
    folder: Option<String>,
    /// A file's below its folder; a campaign's.
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
}

/// How much is listed: more is nobody's to read.
const DELETIONS_MAX: i64 = 100;

/// List what is deleted next
///
/// Files and campaigns, the next ones first; at most 100, and `next` is always null. A campaign's time counts anew from the end of each launch, up to
/// its hard limit; one under a legal hold is not listed.
#[utoipa::path(
    get, path = "/retention/deletions", operation_id = "list_next_deletions", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "The next ones.", body = Listing<Deletion>))
)]
pub(crate) async fn deletions(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<Deletion>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    // Campaigns as sweep takes them: work under way holds up the regular end, and nothing the hard one.
    let items = sqlx::query_as(
        "WITH files AS (
            SELECT 'file' AS what, f.id, f.folder, f.name,
                   f.arrived_at + make_interval(hours => CASE f.folder WHEN 'Incoming' THEN t.incoming_hours
                       WHEN 'Finished' THEN t.finished_hours WHEN 'Invalids' THEN t.invalids_hours ELSE t.exports_hours END) AS due_at
            FROM broadcast.files f JOIN broadcast.tenants t ON t.id = f.tenant_id
         ), campaigns AS (
            SELECT 'campaign' AS what, c.id, NULL AS folder, c.name, coalesce(c.delete_asked_at, least(
                c.created_at + make_interval(hours => t.campaign_hours_max),
                CASE WHEN c.state = 'open' AND (
                        EXISTS (SELECT FROM broadcast.imports i WHERE i.campaign_id = c.id AND i.lease_until > $1)
                     OR EXISTS (SELECT FROM broadcast.launches l WHERE l.campaign_id = c.id AND l.ended_at IS NULL AND NOT l.test)) THEN NULL
                     ELSE coalesce(c.ended_at, c.created_at) + make_interval(hours => t.campaign_hours) END)) AS due_at
            FROM broadcast.campaigns c JOIN broadcast.tenants t ON t.id = c.tenant_id
            WHERE c.state <> 'deleted'
              AND NOT EXISTS (SELECT FROM broadcast.holds h WHERE h.campaign_id = c.id AND h.released_at IS NULL)
         )
         SELECT * FROM files UNION ALL SELECT * FROM campaigns ORDER BY due_at, what, id LIMIT $2",
    )
    .bind(caller.now)
    .bind(DELETIONS_MAX)
    .fetch_all(&mut *tx)
    .await?;
    Ok(Json(Listing { items, next: None }))
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

/// Which part of the chain.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// What follows this one: `next` of an earlier answer.
    after: Option<i64>,
    /// From the end: what came before this one, the newest first. `next` is the next request's `before` then.
    before: Option<i64>,
    /// How many items at most; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// The same, checked.
pub(crate) struct ReceiptsPage {
    before: Option<i64>,
    page: Page,
}

impl<S: Send + Sync> FromRequestParts<S> for ReceiptsPage {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        let Wanted { after, before, limit } = query(parts)?;
        Ok(Self { before, page: Page { after, limit }.checked()? })
    }
}

/// List deletion receipts
///
/// From the first on, so that the chain of digests can be followed; with `before`, the newest first.
#[utoipa::path(
    get, path = "/receipts", operation_id = "list_receipts", tag = "Account", security(("key" = ["account:read"])),
    params(Wanted), responses((status = 200, description = "Some of them.", body = Listing<Receipt>))
)]
pub(crate) async fn receipts(
    State(services): State<Arc<Services>>,
    caller: Caller,
    ReceiptsPage { before, page }: ReceiptsPage,
) -> Result<Json<Listing<Receipt>>, OperationError> {
    const SELECT: &str =
        "SELECT number, at, what, ids, count, rule, backups_until, encode(previous, 'hex') AS previous,
        encode(digest, 'hex') AS digest FROM broadcast.receipts";
    let mut tx = services.store.tenant(caller.tenant).await?;
    let order = if before.is_some() { "DESC" } else { "ASC" };
    let statement = format!(
        "{SELECT} WHERE ($1 IS NULL OR number > $1) AND ($2 IS NULL OR number < $2) ORDER BY number {order} LIMIT $3"
    );
    let items: Vec<Receipt> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(page.after)
        .bind(before)
        .bind(page.limit())
        .fetch_all(&mut *tx)
        .await?;
    let next = page.next(&items, |receipt| receipt.number);
    Ok(Json(Listing { items, next }))
}
