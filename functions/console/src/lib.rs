//! The web application: what happens with a tenant's mailings, and everything that its people may do about it, behind a second factor.
//!
//! Pages are made here, whole, and work without scripts; the one script makes them better. Nothing on a page comes from anywhere else.
#![forbid(unsafe_code)]

mod account;
mod api_keys;
mod assets;
mod audit;
mod campaigns;
mod cookie;
mod error;
mod files;
mod format;
mod gate;
mod headers;
mod installation;
mod limits;
mod login;
mod look;
mod member;
mod notice;
mod operate;
mod page;
mod passkey;
mod person;
mod phone;
mod profiles;
mod recipients;
mod record;
mod retention;
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
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use operations::Services;
use runtime::{Clients, Config};
use store::Store;

use installation::{Logs, Queues};
use operate::Operations;
use person::Person;

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
    operations: Operations,
    queues: Queues,
    logs: Logs,
}

impl Console {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let services = Arc::new(Services::new(config).await?);
        Ok(Self {
            store: services.store.clone(),
            master: services.master.clone(),
            clients: services.clients.clone(),
            url: config.console_url()?.to_owned(),
            logs: Logs::new(config, &services.clients.sdk),
            operations: Operations::new(services),
            queues: Queues::new(config)?,
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
        .merge(campaigns::routes())
        .merge(files::routes())
        .merge(profiles::routes())
        .merge(recipients::routes())
        .merge(retention::routes())
        .merge(api_keys::routes())
        .route("/audit", get(audit::show))
        .merge(users::routes())
        .merge(installation::routes())
        .route_layer(from_fn_with_state(Arc::clone(&console), gate::guard))
        .fallback(error::not_found)
        .layer(DefaultBodyLimit::max(gate::FORM_BYTES_MAX))
        .layer(from_fn(headers::secure))
        .with_state(console)
}

/// Where a login leads that wanted nothing else.
async fn home(person: Person) -> Response {
    login::redirect(page::first(&person), None)
}
