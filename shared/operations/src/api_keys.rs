//! API keys: made, rotated and deleted by a key that may.

use std::{collections::BTreeSet, sync::Arc};

use access::{Network, NewApiKey, Scope};
use axum::{Json, extract::State, response::Response};
use fault::{Code, Notice, Phrase};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Document, Id, MaybeDocument, invalid},
    rotation::Rotation,
};

/// Of one account. Each system of a customer has one or two.
const KEYS_MAX: i64 = 100;
/// As the database checks it; in characters.
const NAME_CHARS_MAX: usize = 100;
/// As the database checks it.
const SOURCES_MAX: usize = 32;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// For people: who uses it.
    #[schema(max_length = 100, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    name: String,
    /// What it may do, of what the asking key itself may do.
    #[schema(min_items = 1, max_items = 32)]
    scopes: Vec<String>,
    /// Never when absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Addresses and networks (`192.0.2.0/24`) from which it may come; from anywhere when empty or absent.
    #[serde(default)]
    #[schema(max_items = 32)]
    sources: Vec<String>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    id: i64,
    /// The whole key: it is shown here and never again.
    key: String,
    /// Its first part, by which lists and the audit name it.
    prefix: String,
}

/// A key, without its secret.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct ListedKey {
    id: i64,
    prefix: String,
    name: String,
    scopes: Vec<String>,
    sources: Vec<String>,
    requests_per_minute: i32,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// To within a minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    /// The id of the key that takes its place.
    replaced_by: Option<i64>,
}

const SELECT: &str = "SELECT id, prefix, name, scopes, coalesce(sources::text[], '{}') AS sources, requests_per_minute, created_at,
            expires_at, last_used_at, replaced_by FROM broadcast.api_keys";

/// Make an API key
///
/// With scopes that the asking key itself has. The secret is shown in this answer and never again.
#[utoipa::path(
    post, path = "/keys", operation_id = "create_key", tag = "Account", security(("key" = ["keys:write"])),
    request_body(content = NewKey, example = json!({"name": "warehouse", "scopes": ["campaigns:read"], "sources": ["192.0.2.0/24"]})),
    responses((status = 201, description = "Made.", body = MadeKey, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["scope_own", "keys_max"])))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(new): Document<NewKey>,
) -> Result<Response, OperationError> {
    let scopes = check(&caller, &new)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    check_room(&mut tx).await?;
    let key = NewApiKey::generate()?;
    let id = sqlx::query_scalar(
        "INSERT INTO broadcast.api_keys (tenant_id, prefix, secret_hash, name, scopes, sources, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, nullif($6::text[]::cidr[], '{}'), $7, $8) RETURNING id",
    )
    .bind(caller.tenant.0)
    .bind(&key.prefix)
    .bind(key.hash.as_slice())
    .bind(&new.name)
    .bind(scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>())
    .bind(&new.sources)
    .bind(caller.now)
    .bind(new.expires_at)
    .fetch_one(&mut *tx)
    .await?;
    made(&services, &caller, tx, id, key).await
}

async fn made(
    services: &Services,
    caller: &Caller,
    mut tx: TenantTx,
    id: i64,
    key: NewApiKey,
) -> Result<Response, OperationError> {
    caller.note(&mut tx, &key.prefix).await?;
    let answer = MadeKey { id, prefix: key.prefix, key: key.text };
    caller.end(services, tx, Answer::created(format!("/v1/keys/{id}"), &answer)?).await
}

/// The new key's scopes, if it may be made.
fn check(caller: &Caller, new: &NewKey) -> Result<BTreeSet<Scope>, OperationError> {
    if new.name.chars().count() > NAME_CHARS_MAX || new.name.chars().any(char::is_control) {
        return Err(invalid("name", Phrase::AtMostCharacters.filled([("max", &NAME_CHARS_MAX)])));
    }
    let mut scopes = BTreeSet::new();
    for name in &new.scopes {
        let scope: Scope = name.parse().map_err(|_| {
            let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
            invalid("scopes", format!("{} are possible", known.join(", ")))
        })?;
        if !caller.may(scope) {
            return Err(Notice::new(Code::ScopeOwn).with("scope", scope).into());
        }
        scopes.insert(scope);
    }
    if scopes.is_empty() {
        return Err(invalid("scopes", Phrase::NoScope));
    }
    if new.sources.len() > SOURCES_MAX {
        return Err(invalid("sources", Phrase::AtMost.filled([("max", &SOURCES_MAX)])));
    }
    if new.sources.iter().any(|text| text.parse::<Network>().is_err()) {
        return Err(invalid("sources", Phrase::Networks));
    }
    if new.expires_at.is_some_and(|end| end <= caller.now) {
        return Err(invalid("expires_at", Phrase::Past));
    }
    Ok(scopes)
}

async fn check_room(tx: &mut TenantTx) -> Result<(), OperationError> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM broadcast.api_keys").fetch_one(&mut **tx).await?;
    if count < KEYS_MAX { Ok(()) } else { Err(Notice::new(Code::KeysMax).with("max", KEYS_MAX).into()) }
}

/// List API keys
///
/// All of them, without their secrets: `next` is always null.
#[utoipa::path(
    get, path = "/keys", operation_id = "list_keys", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<ListedKey>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<ListedKey>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY id");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Delete an API key
///
/// It is refused from then on, within five seconds. A key may delete itself.
#[utoipa::path(
    delete, path = "/keys/{id}", operation_id = "delete_key", tag = "Account", security(("key" = ["keys:write"])),
    responses((status = 204, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let prefix: Option<String> =
        sqlx::query_scalar("DELETE FROM broadcast.api_keys WHERE id = $1 RETURNING prefix")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    caller.note(&mut tx, prefix.ok_or(Code::NotFound)?).await?;
    tx.commit().await?;
    Ok(Answer::nothing())
}

/// Rotate an API key
///
/// Makes a key with the same name, scopes, networks and limit. Both are valid until the old one expires.
#[utoipa::path(
    post, path = "/keys/{id}/rotation", operation_id = "rotate_key", tag = "Account", security(("key" = ["keys:write"])),
    request_body(content = Option<Rotation>, example = json!({"overlap_hours": 24})),
    responses((status = 201, description = "Made.", body = MadeKey, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["key_replaced", "scope_own", "keys_max"])))
)]
pub(crate) async fn rotate(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    MaybeDocument(rotation): MaybeDocument<Rotation>,
) -> Result<Response, OperationError> {
    let until = rotation.until(caller.now)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let old: Option<ListedKey> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1 FOR NO KEY UPDATE")))
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    let old = old.ok_or(Code::NotFound)?;
    if old.replaced_by.is_some() || old.expires_at.is_some_and(|end| end <= caller.now) {
        return Err(Code::KeyReplaced.into());
    }
    for name in &old.scopes {
        if name.parse().is_ok_and(|scope| !caller.may(scope)) {
            return Err(Notice::new(Code::ScopeOwn).with("scope", name).into());
        }
    }
    check_room(&mut tx).await?;
    let key = NewApiKey::generate()?;
    let new: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.api_keys (tenant_id, prefix, secret_hash, name, scopes, sources, created_at, expires_at, requests_per_minute)
         SELECT tenant_id, $2, $3, name, scopes, sources, $4, expires_at, requests_per_minute FROM broadcast.api_keys WHERE id = $1
         RETURNING id",
    )
    .bind(id)
    .bind(&key.prefix)
    .bind(key.hash.as_slice())
    .bind(caller.now)
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE broadcast.api_keys SET replaced_by = $2, expires_at = least(expires_at, $3) WHERE id = $1",
    )
    .bind(id)
    .bind(new)
    .bind(until)
    .execute(&mut *tx)
    .await?;
    made(&services, &caller, tx, new, key).await
}
