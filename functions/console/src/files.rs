//! The File Exchange: what stands in it and until when, and with what the customer's programs log in to it.

mod list;
mod logins;
mod password;
mod pgp_keys;
mod ssh_keys;

pub(crate) use ssh_keys::listed;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::{Console, look::Section, member::Member, page::Page};

/// What logs in and encrypts: the page above those that change any of it.
const LOGINS: &str = "/files/logins";

fn below_logins<'a>(member: &'a Member, title: &'a str) -> Page<'a> {
    let logins = member.person.reader.t("logins-title");
    Page::new(&member.person, Section::Files, title).under(Section::Files).below(&logins, LOGINS.to_owned())
}

/// The area's routes; who reaches each stands in the gate.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/files", get(list::show))
        .route("/files/{id}/download", get(list::download))
        .route("/files/logins", get(logins::show))
        .route("/files/logins/password", get(password::ask).post(password::make))
        .route("/files/logins/ssh-keys", get(ssh_keys::ask).post(ssh_keys::add))
        .route("/files/logins/ssh-keys/{id}/remove", get(ssh_keys::ask_remove).post(ssh_keys::remove))
        .route("/files/logins/pgp-keys", get(pgp_keys::ask).post(pgp_keys::add))
        .route("/files/logins/pgp-keys/{id}/remove", get(pgp_keys::ask_remove).post(pgp_keys::remove))
}
