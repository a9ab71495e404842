//! The web application: what happens with a tenant's mailings, and everything that its people may do about it, behind a second factor.
//!
//! Pages are made here, whole, and work without scripts; the one script makes them better. Nothing on a page comes from anywhere else.
#![forbid(unsafe_code)]

mod account;
mod assets;
mod cookie;
mod error;
mod gate;
mod headers;
mod limits;
mod login;
mod look;
mod notice;
mod person;
mod phone;
mod record;
mod session;
mod totp;
mod users;
mod visitor;
mod words;

pub use error::ConsoleError;
pub use gate::{Access, ROUTES, Route, TOKEN_FIELD};

use std::sync::Arc;

use access::MasterKey;
use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use runtime::{Clients, Config};
use store::Store;

/// What the function works with.
pub struct Console {
    /// As `broadcast_app`.
    store: Store,
    /// Queues and texts.
    clients: Clients,
    /// Derives the keys of codes and forms.
    master: MasterKey,
    /// Where people reach it, without a slash at its end: the origin of its forms.
    url: String,
}

impl Console {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        Ok(Self {
            store: Store::connect(config.database_url()?)?,
            master: clients.master_key(config.master_key_secret()?).await?,
            url: config.console_url()?.to_owned(),
            clients,
        })
    }
}

/// Every route.
pub fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/assets/{name}", get(assets::serve))
        .route("/", get(home))
        .merge(login::routes())
        .merge(account::routes())
        .merge(users::routes())
        .route_layer(from_fn_with_state(Arc::clone(&console), gate::guard))
        .fallback(error::not_found)
        .layer(from_fn(headers::secure))
        .with_state(console)
}

/// Where a login leads that wanted nothing else.
async fn home() -> Response {
    login::redirect("/account", None)
}
