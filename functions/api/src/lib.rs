//! The import API, under `/v1`: JSON, a bearer key, RFC 9457 problem documents.
//!
//! The key tells the tenant, and nothing in a request can name another one: rows are read and written as the tenant's role. Recipient
//! data does not come in here; a call names a file in the tenant's Incoming.
#![forbid(unsafe_code)]

mod caller;
mod campaigns;
mod error;
mod exports;
mod imports;
mod keys;
mod launches;
mod listing;
mod request;
mod templates;

pub use error::ApiError;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post, put},
};
use exchange::Exchange;
use fault::Code;
use runtime::Clients;
use store::Store;

/// The largest request body: a template whose HTML and text parts have 512 KiB each, with every other character escaped in JSON.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What the function works with.
pub struct Api {
    /// As `broadcast_app`.
    pub store: Store,
    /// Tenants' files.
    pub exchange: Exchange,
    /// Queues.
    pub clients: Clients,
    /// Where imports are run.
    pub import_queue: String,
    /// Where launches are run.
    pub generate_queue: String,
    /// Where exports are run.
    pub export_queue: String,
}

/// Every route of the API.
pub fn router(api: Arc<Api>) -> Router {
    let v1 = Router::new()
        .route("/campaigns", post(campaigns::create).get(campaigns::list))
        .route("/campaigns/{id}", get(campaigns::show))
        .route("/campaigns/{id}/accounting", get(campaigns::accounting))
        .route("/campaigns/{id}/template", put(templates::replace).get(templates::show))
        .route("/campaigns/{id}/imports", post(imports::create).get(imports::list))
        .route("/campaigns/{id}/launches", post(launches::create).get(launches::list))
        .route("/imports/{id}", get(imports::show))
        .route("/launches/{id}", get(launches::show))
        .route("/exports", post(exports::trigger))
        .route("/files", get(listing::files))
        .route("/receipts", get(listing::receipts))
        .route("/pgp-key", get(keys::pgp));
    Router::new()
        .nest("/v1", v1)
        .fallback(async || ApiError::from(Code::NotFound))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}
