//! The audit: who did what, and what became of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use crate::{
    OperationError, Services,
    answer::Listing,
    caller::Caller,
    request::{Page, query, query_malformed},
};

/// Of an actor's or an action's name.
const NAME_CHARS_MAX: usize = 200;

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Those of one actor, as lines name it: `user 7`, `api key bk_...`.
    #[param(max_length = 200, pattern = "^[^\\u0000]*$")]
    actor: Option<String>,
    /// Those of one action.
    #[param(max_length = 200, pattern = "^[^\\u0000]*$")]
    action: Option<String>,
    /// What follows this one: `next` of an earlier answer.
    after: Option<i64>,
    /// How many items at most; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// The same, checked.
pub(crate) struct AuditPage {
    actor: Option<String>,
    action: Option<String>,
    page: Page,
}

impl<S: Send + Sync> FromRequestParts<S> for AuditPage {
    type Rejection = OperationError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OperationError> {
        let Wanted { actor, action, after, limit } = query(parts)?;
        let possible = |name: &Option<String>| {
            name.as_ref().is_none_or(|name| name.chars().count() <= NAME_CHARS_MAX && !name.contains('\0'))
        };
        if !possible(&actor) || !possible(&action) {
            return Err(query_malformed(format!(
                "actor, action: at most {NAME_CHARS_MAX} characters are possible"
            )));
        }
        Ok(Self { actor, action, page: Page { after, limit }.checked()? })
    }
}

/// A line of the audit.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct AuditLine {
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `user 7`, `api key bk_...`, `ssh key SHA256:...`, `sweep`.
    actor: String,
    /// Of a user who is still there: the e-mail address.
    person: Option<String>,
    action: String,
    /// What it was about: an id, a key's fingerprint, a file.
    subject: Option<String>,
    /// The client's address.
    source: Option<String>,
    /// Of a file.
    bytes: Option<i64>,
    /// `done`, or the code of the problem.
    result: String,
}

/// List the audit
///
/// The newest first. Lines are kept as long as your operator has set, 400 days usually.
#[utoipa::path(
    get, path = "/audit", operation_id = "list_audit", tag = "Account", security(("key" = ["audit:read"])),
    params(Wanted), responses((status = 200, description = "Some of it.", body = Listing<AuditLine>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    AuditPage { actor, action, page }: AuditPage,
) -> Result<Json<Listing<AuditLine>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    // By its own tenant, so that the index is used: the policy's test is no bound of one.
    let items: Vec<AuditLine> = sqlx::query_as(
        "SELECT a.id, a.at, a.actor, (SELECT u.email FROM broadcast.users u WHERE a.actor = 'user ' || u.id) AS person, a.action, a.subject,
                a.source, a.bytes, a.result
         FROM broadcast.audit a
         WHERE a.tenant_id = $1 AND ($2 IS NULL OR a.id < $2) AND ($3 IS NULL OR a.actor = $3) AND ($4 IS NULL OR a.action = $4)
         ORDER BY a.id DESC LIMIT $5",
    )
    .bind(caller.tenant.0)
    .bind(page.after)
    .bind(actor)
    .bind(action)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |line| line.id);
    Ok(Json(Listing { items, next }))
}
