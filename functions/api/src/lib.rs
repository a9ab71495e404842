//! The HTTP API, under `/v1`: JSON, a bearer key, RFC 9457 problem documents; and under `/v2` the import call of the system that came before.
//!
//! What can be asked for is `operations`. Here is who asks: a request passes the [`gate`] (key, limit) to its operation. What an operation
//! says of itself is the API's description, and the gate asks for what stands there.
#![forbid(unsafe_code)]

mod document;
mod documentation;
mod gate;
mod keyring;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state, routing::get};
use fault::Code;
use operations::{BODY_BYTES_MAX, Index, OperationError, Services, operations};
use runtime::Config;
use serde_json::Value;

use keyring::Keyring;

/// What the function works with.
pub struct Api {
    services: Arc<Services>,
    keyring: Keyring,
    index: Index,
}

impl Api {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        Ok(Self {
            services: Arc::new(Services::new(config).await?),
            keyring: Keyring::default(),
            index: Index::read(&description()),
        })
    }
}

/// The API's description, whole.
pub fn description() -> Value {
    document::complete(&operations::description())
}

/// Every route of the API.
pub fn router(api: Arc<Api>) -> Router {
    Router::from(operations())
        .with_state(api.services.clone())
        .route_layer(from_fn_with_state(api, gate::gate))
        .route("/openapi.json", get(documentation::openapi))
        .route("/docs", get(documentation::reference))
        .route("/docs/guide", get(documentation::guide))
        .route("/docs/problems", get(documentation::problems))
        .route("/docs/problems/{code}", get(documentation::problem))
        .fallback(async || OperationError::from(Code::NotFound))
        .method_not_allowed_fallback(async || OperationError::from(Code::MethodUnknown))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
