//! Who gets no mail: digests of addresses, never the addresses. Many at once come in as a file; these are for one.

use std::sync::Arc;

use access::Purpose;
use axum::{Json, extract::State, response::Response};
use fault::{Notice, Phrase};
use mail::{Address, AddressKey, DigestKey};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::Answer,
    caller::{Begun, Caller},
    request::{Document, invalid},
};

/// The digest key of addresses is never rotated.
const DIGEST_KEY_ID: u8 = 0;
/// Of the reason for an end, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Who is meant. An address is asked for in a body, because URLs stand in logs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    #[schema(format = "email", max_length = 508)]
    pub(crate) address: String,
}

/// Whose suppression ends, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    #[schema(format = "email", max_length = 508)]
    address: String,
    /// For the audit: how the person asked for mails again. No address.
    #[schema(min_length = 1, max_length = 200, pattern = "^[^@]+$")]
    reason: String,
}

/// Whether an address is suppressed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Suppression {
    suppressed: bool,
    /// `unsubscribed`, `complained`, `bounced` or `manual`.
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct Row {
    reason: String,
    created_at: OffsetDateTime,
}

/// Check an address
///
/// Whether it gets mails.
#[utoipa::path(
    post, path = "/suppressions/check", operation_id = "check_suppression", tag = "Recipients", security(("key" = ["suppressions:read"])),
    request_body(content = Person, example = json!({"address": "ann@example.org"})),
    responses((status = 200, description = "Whether it does.", body = Suppression))
)]
pub(crate) async fn check(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(person): Document<Person>,
) -> Result<Json<Suppression>, OperationError> {
    let key = digest(&services, &caller, &person.address)?;
    let mut tx = caller.begin_reading(&services).await?;
    let row: Option<Row> =
        sqlx::query_as("SELECT reason, created_at FROM broadcast.suppressions WHERE address_key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
    Ok(Json(match row {
        Some(Row { reason, created_at }) => {
            Suppression { suppressed: true, reason: Some(reason), since: Some(created_at) }
        }
        None => Suppression { suppressed: false, reason: None, since: None },
    }))
}

/// Suppress an address
///
/// It gets no more mails of this account, whatever is imported. One that is suppressed already stays so for its first reason.
#[utoipa::path(
    post, path = "/suppressions", operation_id = "add_suppression", tag = "Recipients", security(("key" = ["suppressions:write"])),
    request_body(content = Person, example = json!({"address": "ann@example.org"})),
    responses((status = 204, description = "It is suppressed."))
)]
pub(crate) async fn add(
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
    caller.note(&mut tx, key.to_hex()).await?;
    caller.end(&services, tx, Answer::nothing()).await
}

/// End a suppression
///
/// The address may get mails again. The reason stays in the audit.
#[utoipa::path(
    post, path = "/suppressions/remove", operation_id = "remove_suppression", tag = "Recipients", security(("key" = ["suppressions:write"])),
    request_body(content = Removal, example = json!({"address": "ann@example.org", "reason": "asked for mails again by telephone"})),
    responses((status = 204, description = "It is not suppressed."))
)]
pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(removal): Document<Removal>,
) -> Result<Response, OperationError> {
    let key = digest(&services, &caller, &removal.address)?;
    let reason = checked_reason(&removal.reason)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    sqlx::query("DELETE FROM broadcast.suppressions WHERE address_key = $1")
        .bind(key.0.as_slice())
        .execute(&mut *tx)
        .await?;
    caller.note_with(&mut tx, key.to_hex(), &format!("done: {reason}")).await?;
    caller.end(&services, tx, Answer::nothing()).await
}

fn checked_reason(reason: &str) -> Result<&str, OperationError> {
    let length = reason.chars().count();
    if length == 0 || length > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        return Err(invalid("reason", Phrase::CharactersPlain.filled([("max", &REASON_CHARS_MAX)])));
    }
    if reason.contains('@') {
        return Err(invalid("reason", "it must not hold an address: the audit keeps it"));
    }
    Ok(reason)
}

/// Has the address get no more mails. One that is suppressed already stays so for its first reason.
pub(crate) async fn suppress(
    tx: &mut TenantTx,
    caller: &Caller,
    key: AddressKey,
) -> Result<(), OperationError> {
    sqlx::query(
        "INSERT INTO broadcast.suppressions (tenant_id, address_key, reason, created_at) VALUES ($1, $2, 'manual', $3) ON CONFLICT DO NOTHING",
    )
    .bind(caller.tenant.0)
    .bind(key.0.as_slice())
    .bind(caller.now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What stands for an address.
pub(crate) fn digest(
    services: &Services,
    caller: &Caller,
    address: &str,
) -> Result<AddressKey, OperationError> {
    let address = Address::parse(address)
        .map_err(|error| invalid("address", Notice::new(error.code()).with("column", "address").words()))?;
    Ok(address.key(&digest_key(services, caller)))
}

/// What makes digests of addresses for the caller's account.
pub(crate) fn digest_key(services: &Services, caller: &Caller) -> DigestKey {
    DigestKey::new(&services.master.derive(caller.tenant, Purpose::AddressDigest, DIGEST_KEY_ID))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_holds_no_address() {
        for reason in ["asked again", "Straße 7, by phone", &"x".repeat(200)] {
            assert!(checked_reason(reason).is_ok(), "{reason}");
        }
        for reason in ["", "ann@example.org asked", "a\nb", &"x".repeat(201)] {
            assert!(checked_reason(reason).is_err(), "{reason}");
        }
    }
}
