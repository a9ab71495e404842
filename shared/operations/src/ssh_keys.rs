//! SSH keys: with what the customer's programs log in to the File Exchange.

use std::sync::Arc;

use access::{Network, SshKey};
use axum::{Json, extract::State, response::Response};
use fault::{Code, Notice, Phrase};
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

/// Of one account. Each system of a customer has one or two.
const KEYS_MAX: i64 = 100;
/// As the database checks it.
const SOURCES_MAX: usize = 32;

/// A key to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSshKey {
    /// The public half, as one line of OpenSSH: the file that ends in `.pub`.
    #[schema(max_length = 8192)]
    public_key: String,
    /// Never when absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Addresses and networks (`192.0.2.0/24`) from which it may come; from anywhere when empty or absent.
    #[serde(default)]
    #[schema(max_items = 32)]
    sources: Vec<String>,
}

/// A key.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct ListedSshKey {
    id: i64,
    /// As `ssh-keygen -l` shows it.
    fingerprint: String,
    /// Such as `ssh-ed25519`.
    algorithm: String,
    sources: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT id, fingerprint, split_part(public_key, ' ', 1) AS algorithm, coalesce(sources::text[], '{}') AS sources,
            created_at, expires_at FROM broadcast.ssh_keys";

/// Add an SSH key
///
/// It logs in to the File Exchange from then on. A key that is known gets the end and the networks of this request.
#[utoipa::path(
    post, path = "/ssh-keys", operation_id = "add_ssh_key", tag = "Account", security(("key" = ["logins:write"])),
    request_body(content = NewSshKey, example = json!({
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDWPSX3sLnVYdFHGUSJRPTNKzvhxyQtdpBGpfVjVXNDo warehouse", "sources": ["192.0.2.0/24"]
    })),
    responses((status = 201, description = "Added.", body = ListedSshKey, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["ssh_key_malformed", "ssh_key_weak", "login_keys_max"])))
)]
pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(new): Document<NewSshKey>,
) -> Result<Response, OperationError> {
    let key = SshKey::parse(&new.public_key)?;
    check(&new, caller.now)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let others: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.ssh_keys WHERE fingerprint <> $1")
        .bind(key.fingerprint())
        .fetch_one(&mut *tx)
        .await?;
    if others >= KEYS_MAX {
        return Err(Notice::new(Code::LoginKeysMax).with("max", KEYS_MAX).into());
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.ssh_keys (tenant_id, fingerprint, public_key, created_at, expires_at, sources)
         VALUES ($1, $2, $3, $4, $5, nullif($6::text[]::cidr[], '{}'))
         ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET expires_at = excluded.expires_at, sources = excluded.sources RETURNING id",
    )
    .bind(caller.tenant.0)
    .bind(key.fingerprint())
    .bind(key.openssh())
    .bind(caller.now)
    .bind(new.expires_at)
    .bind(&new.sources)
    .fetch_one(&mut *tx)
    .await?;
    caller.note(&mut tx, key.fingerprint()).await?;
    let added: ListedSshKey = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    caller.end(&services, tx, Answer::created(format!("/v1/ssh-keys/{id}"), &added)?).await
}

fn check(new: &NewSshKey, now: OffsetDateTime) -> Result<(), OperationError> {
    if new.sources.len() > SOURCES_MAX {
        return Err(invalid("sources", Phrase::AtMost.filled([("max", &SOURCES_MAX)])));
    }
    if new.sources.iter().any(|text| text.parse::<Network>().is_err()) {
        return Err(invalid("sources", Phrase::Networks));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(invalid("expires_at", Phrase::Past));
    }
    Ok(())
}

/// List SSH keys
///
/// All of them: `next` is always null.
#[utoipa::path(
    get, path = "/ssh-keys", operation_id = "list_ssh_keys", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<ListedSshKey>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<ListedSshKey>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY id");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Remove an SSH key
///
/// It is refused from then on, and what goes on with it is ended within seconds.
#[utoipa::path(
    delete, path = "/ssh-keys/{id}", operation_id = "remove_ssh_key", tag = "Account", security(("key" = ["logins:write"])),
    responses((status = 204, description = "Removed."))
)]
pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let fingerprint: Option<String> =
        sqlx::query_scalar("DELETE FROM broadcast.ssh_keys WHERE id = $1 RETURNING fingerprint")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    caller.note(&mut tx, fingerprint.ok_or(Code::NotFound)?).await?;
    tx.commit().await?;
    Ok(Answer::nothing())
}
