//! The key to which a customer encrypts uploads.

use std::sync::Arc;

use axum::{Json, extract::State};
use fault::Code;
use serde_json::{Value, json};

use crate::{Api, ApiError, caller::Caller};

/// `GET /v1/pgp-key`
pub(crate) async fn pgp(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let key: Option<(String, String)> = sqlx::query_as(
        "SELECT fingerprint, public_key FROM broadcast.pgp_keys
         WHERE purpose = 'own' AND retired_at IS NULL ORDER BY id DESC LIMIT 1",
    )
    .fetch_optional(&mut *tx)
    .await?;
    let (fingerprint, public_key) = key.ok_or(Code::NotFound)?;
    Ok(Json(json!({"fingerprint": fingerprint, "public_key": public_key})))
}
