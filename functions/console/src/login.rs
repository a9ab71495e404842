//! The way in: a password, then a second factor, then a session.
//!
//! Between the two a challenge stands for the browser (a row, and a cookie with its token). Its end is a session with a token of its own, so nothing
//! that anybody knew before the login counts after it. What strangers are answered does not depend on whether somebody has the address.

pub(crate) mod challenge;
pub(crate) mod code;
mod guest;
mod link;
mod passkey;
mod password;
pub(crate) mod phone;
mod recovery;
mod way;

pub(crate) use link::hash;
pub(crate) use password::verify;
pub(crate) use way::{redirect, redirect_saying};

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::Console;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/login", get(password::ask).post(password::check))
        .route("/login/phone", get(phone::ask).post(phone::register))
        .route("/login/code", get(code::ask).post(code::check))
        .route("/login/code/text", post(code::text))
        .route("/login/passkey", post(passkey::ask))
        .route("/login/passkey/check", post(passkey::check))
        .route("/login/recovery", get(recovery::ask).post(recovery::check))
        .route("/password", get(link::ask).post(link::mail))
        .route("/password/{token}", get(link::choose).post(link::set))
        .route("/logout", post(crate::session::log_out))
}
