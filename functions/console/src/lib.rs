//! The web application: what happens with a tenant's mailings, and everything that its people may do about it, behind a second factor.
//!
//! Pages are made here, whole, and work without scripts; the one script makes them better. Nothing on a page comes from anywhere else.
#![forbid(unsafe_code)]

mod assets;
mod error;
#[allow(dead_code, reason = "pages take from it as they come")]
mod format;
mod headers;
#[allow(dead_code, unused_imports, reason = "pages take from it as they come")]
mod look;
mod operate;
mod person;
mod words;

pub use error::ConsoleError;

use std::sync::Arc;

use axum::{Router, middleware::from_fn, routing::get};
use operations::Services;
use runtime::Config;

use operate::Operations;

/// What the function works with.
pub struct Console {
    /// What operations work with, and pages.
    services: Arc<Services>,
    operations: Operations,
    /// Where people reach it, without a slash at its end: the origin of its forms.
    url: String,
}

impl Console {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let services = Arc::new(Services::new(config).await?);
        Ok(Self {
            operations: Operations::new(services.clone()),
            services,
            url: config.console_url()?.to_owned(),
        })
    }
}

/// Every route.
pub fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/assets/{name}", get(assets::serve))
        .fallback(error::not_found)
        .layer(from_fn(headers::secure))
        .with_state(console)
}
