//! The password of the File Exchange, for clients that have no key.

use std::sync::Arc;

use access::password;
use axum::{Json, extract::State, response::Response};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::Answer,
    caller::{Begun, Caller},
};

/// How somebody logs in to the File Exchange.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct SftpLogin {
    /// The name of the account.
    user: String,
    /// Whether there is a password.
    password: bool,
    /// Whether a login takes a key and the password, both.
    both: bool,
}

/// A new password.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadePassword {
    user: String,
    /// It is shown here and never again.
    password: String,
}

/// Show the login to the File Exchange
#[utoipa::path(
    get, path = "/sftp-password", operation_id = "show_sftp_login", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "The login.", body = SftpLogin))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<SftpLogin>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let login = sqlx::query_as(
        "SELECT slug AS user, sftp_password_hash IS NOT NULL AS password, sftp_both AS both FROM broadcast.tenants WHERE id = $1",
    )
    .bind(caller.tenant.0)
    .fetch_one(&mut *tx)
    .await?;
    Ok(Json(login))
}

/// Make a password
///
/// For the File Exchange. The one before is good no more, and the new one is shown in this answer and never again.
#[utoipa::path(
    post, path = "/sftp-password", operation_id = "make_sftp_password", tag = "Account", security(("key" = ["logins:write"])),
    responses((status = 200, description = "Made.", body = MadePassword))
)]
pub(crate) async fn make(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Response, OperationError> {
    let password = password::generate()?;
    let chosen = password.clone();
    // Some tens of milliseconds of work, before the transaction: it would keep the account's row.
    let hash = tokio::task::spawn_blocking(move || password::hash(&chosen))
        .await
        .map_err(|_| OperationError::Cut)??;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let user: String = sqlx::query_scalar(
        "UPDATE broadcast.tenants SET sftp_password_hash = $2 WHERE id = $1 RETURNING slug",
    )
    .bind(caller.tenant.0)
    .bind(&hash)
    .fetch_one(&mut *tx)
    .await?;
    caller.note(&mut tx, &user).await?;
    caller.end(&services, tx, Answer::ok(&MadePassword { user, password })?).await
}
