//! What operators look at: tenants, queues and what died in them, errors of functions, buckets whose rules had drifted. No mailing, and no recipient.

mod errors;
mod lifecycles;
mod queues;
mod tenants;

pub(crate) use errors::Logs;
pub(crate) use queues::Queues;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::Console;

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/tenants", get(tenants::show))
        .route("/queues", get(queues::list))
        .route("/queues/{name}", get(queues::show))
        .route("/queues/{name}/redrive", get(queues::ask).post(queues::redrive))
        .route("/errors", get(errors::show))
        .route("/lifecycles", get(lifecycles::show))
}
