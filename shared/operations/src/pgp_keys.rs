//! OpenPGP keys that the customer hands in: to which exports are encrypted, and with which uploads are signed. Our own key of the account is
//! made and retired by the operator, because its secret half is kept apart.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use fault::{Code, Notice, Phrase};
use openpgp::PublicKey;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Document, Id, invalid},
};

/// Of one account: exports are encrypted to each of them.
const KEYS_MAX: i64 = 20;
/// Of a key in ASCII armor. One with many signatures of others has some tens of kilobytes.
const ARMORED_BYTES_MAX: usize = 256 * 1024;

/// A key to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPgpKey {
    /// `recipient`: exports are encrypted to it. `signer`: uploads may be signed with it.
    #[schema(pattern = "^(recipient|signer)$")]
    purpose: String,
    /// The public half, in ASCII armor.
    #[schema(max_length = 262_144)]
    public_key: String,
}

/// A key.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct ListedPgpKey {
    id: i64,
    /// `own`: uploads are encrypted to it. `recipient`: exports are encrypted to it. `signer`: uploads may be signed with it.
    #[schema(pattern = "^(own|recipient|signer)$")]
    purpose: String,
    /// Hexadecimal.
    fingerprint: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A key of nobody, for the description.
const EXAMPLE: &str = include_str!("pgp_keys/example.asc");

const SELECT: &str = "SELECT id, purpose, fingerprint, created_at FROM broadcast.pgp_keys";

/// Add a PGP key
///
/// After a look at whether it can do now what it is for. Handed in again, it is the newer form of the same key: with a later expiry, say.
#[utoipa::path(
    post, path = "/pgp-keys", operation_id = "add_pgp_key", tag = "Account", security(("key" = ["logins:write"])),
    request_body(content = NewPgpKey, example = json!({"purpose": "signer", "public_key": EXAMPLE})),
    responses((status = 201, description = "Added.", body = ListedPgpKey, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["pgp_key", "login_keys_max"])))
)]
pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(new): Document<NewPgpKey>,
) -> Result<Response, OperationError> {
    let (fingerprint, armored) = read(&new, caller.now)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM broadcast.pgp_keys WHERE purpose = $1 AND fingerprint <> $2",
    )
    .bind(&new.purpose)
    .bind(&fingerprint)
    .fetch_one(&mut *tx)
    .await?;
    if others >= KEYS_MAX {
        return Err(Notice::new(Code::LoginKeysMax).with("max", KEYS_MAX).into());
    }
    let added: ListedPgpKey = sqlx::query_as(
        "INSERT INTO broadcast.pgp_keys (tenant_id, purpose, fingerprint, public_key, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, purpose, fingerprint) DO UPDATE SET public_key = excluded.public_key, retired_at = NULL
         RETURNING id, purpose, fingerprint, created_at",
    )
    .bind(caller.tenant.0)
    .bind(&new.purpose)
    .bind(&fingerprint)
    .bind(&armored)
    .bind(caller.now)
    .fetch_one(&mut *tx)
    .await?;
    caller.note(&mut tx, &added.fingerprint).await?;
    caller.end(&services, tx, Answer::created(format!("/v1/pgp-keys/{}", added.id), &added)?).await
}

/// The key's fingerprint and its armored form, if it can do what it is for.
fn read(new: &NewPgpKey, now: OffsetDateTime) -> Result<(String, String), OperationError> {
    if new.public_key.len() > ARMORED_BYTES_MAX {
        return Err(invalid("public_key", Phrase::AtMostBytes.filled([("max", &ARMORED_BYTES_MAX)])));
    }
    let key = PublicKey::parse(new.public_key.as_bytes())?;
    match new.purpose.as_str() {
        "recipient" => key.check_encryption(now)?,
        "signer" => key.check_signing(now)?,
        _ => return Err(invalid("purpose", Phrase::PgpPurpose)),
    }
    Ok((key.fingerprint(), key.armored()?))
}

/// List PGP keys
///
/// All of them, our own that uploads are encrypted to among them: `next` is always null.
#[utoipa::path(
    get, path = "/pgp-keys", operation_id = "list_pgp_keys", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<ListedPgpKey>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<ListedPgpKey>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} WHERE retired_at IS NULL ORDER BY id");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Remove a PGP key
///
/// One that was handed in. Its user id names people, so all of it goes; the audit keeps the fingerprint.
#[utoipa::path(
    delete, path = "/pgp-keys/{id}", operation_id = "remove_pgp_key", tag = "Account", security(("key" = ["logins:write"])),
    responses((status = 204, description = "Removed."))
)]
pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let fingerprint: Option<String> = sqlx::query_scalar(
        "DELETE FROM broadcast.pgp_keys WHERE id = $1 AND purpose <> 'own' RETURNING fingerprint",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    caller.note(&mut tx, fingerprint.ok_or(Code::NotFound)?).await?;
    tx.commit().await?;
    Ok(Answer::nothing())
}
