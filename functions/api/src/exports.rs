//! Exports, now rather than at the next interval.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use contract::ExportMessage;
use serde::Deserialize;
use serde_json::json;

use crate::{Api, ApiError, caller::Caller, request::Document};

/// Nothing yet: an export has whatever is new.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewExport {}

/// `POST /v1/exports`
pub(crate) async fn trigger(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Document(NewExport {}): Document<NewExport>,
) -> Result<impl IntoResponse, ApiError> {
    let message = ExportMessage::Tenant { tenant: caller.tenant };
    api.clients.send_json(&api.export_queue, caller.tenant, &message).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}
