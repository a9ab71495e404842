//! Campaigns: all of them, and each with its mailings, what became of them, and what may be done.

mod data;
mod imports;
mod launch;
mod list;
mod one;
mod report;
mod standing;
mod template;
mod test_mails;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::Console;

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/campaigns", get(list::show))
        .route("/campaigns/new", get(list::ask).post(list::make))
        .route("/campaigns/{id}", get(one::show))
        .route("/campaigns/{id}/responses", get(one::responses))
        .route("/campaigns/{id}/launch", get(launch::form_of).post(launch::launch))
        .route("/campaigns/{id}/launches/{launch}/{deed}", get(launch::ask_deed).post(launch::do_deed))
        .route("/campaigns/{id}/delete", get(launch::ask_delete).post(launch::delete))
        .route("/campaigns/{id}/template", get(template::show).post(template::save))
        .route("/campaigns/{id}/preview", get(template::preview))
        .route("/campaigns/{id}/preview/mail", get(template::mail))
        .route("/campaigns/{id}/test-mails", get(test_mails::show).post(test_mails::send))
        .route("/campaigns/{id}/imports", get(imports::list).post(imports::begin))
        .route("/imports/{id}", get(imports::show))
}
