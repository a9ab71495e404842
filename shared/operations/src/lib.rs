//! What a tenant's programs and people can do with its campaigns and its account: the operations of the API, which the console calls, too.
//!
//! Each is an HTTP operation under `/v1` that says of itself what it is, what it takes and which scope it needs. Who asks has been found
//! out before, and stands in an [`Identity`]: a key of the API, or a person who is logged in. Its tenant is the only one whose rows are
//! read and written, as the tenant's role; nothing in a request can name another one. Recipient data does not come in here but for single
//! people, by the addresses that requests name; a call names a file in the tenant's Incoming.
//!
//! Never sees a key, a session or a page.
#![forbid(unsafe_code)]

mod account;
mod answer;
mod api_keys;
mod audit;
mod batches;
mod caller;
mod campaigns;
mod domains;
mod erasures;
mod error;
mod exports;
mod files;
mod gate;
mod import_errors;
mod imports;
mod index;
mod kept;
mod launches;
mod once;
mod overview;
mod pgp_keys;
mod preview;
mod profiles;
mod proofs;
mod recipients;
mod reports;
mod request;
mod rotation;
mod seeds;
mod sending_rate;
mod sftp_password;
mod ssh_keys;
mod statement;
mod suppressions;
mod template_files;
mod templates;
mod test_mails;
mod unknown_mails;
mod webhooks;

pub use caller::Identity;
pub use error::OperationError;
pub use gate::{note_refused, pass};
pub use index::{Index, Operation, operations_of};
pub use kept::count_campaign;
pub use request::Name;

use std::sync::Arc;

use access::{MasterKey, Network};
use axum::{Router, http::StatusCode, middleware::from_fn_with_state};
use exchange::Exchange;
use fault::Code;
use runtime::{Clients, Config, dns::NameServers};
use store::{
    Readers, Store,
    audit::{Journal, Unsynchronised},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The largest request body: a template whose HTML and text parts have 512 KiB each, with every other character escaped in JSON.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What the operations work with.
pub struct Services {
    /// As `broadcast_app`.
    pub store: Store,
    /// The same, for looking.
    readers: Readers,
    /// Tenants' files.
    exchange: Exchange,
    /// Queues, and what else functions ask AWS for.
    pub clients: Clients,
    /// Derives every tenant's keys.
    pub master: MasterKey,
    import_queue: String,
    generate_queue: String,
    export_queue: String,
    notify_queue: String,
    count_queue: String,
    /// To which webhooks may go although they are private.
    webhook_networks: Vec<Network>,
    /// Know what of sender domains is published.
    name_servers: NameServers,
    journal: Arc<Journal>,
}

impl Services {
    /// From the environment. Reads the master key.
    pub async fn new(config: &Config) -> Result<Self, runtime::Error> {
        let clients = Clients::new(config).await;
        let store = Store::connect(config.database_url()?)?;
        let journal = Arc::new(Journal::new());
        let (lines, table) = (journal.clone(), Unsynchronised(store.pool().clone()));
        tokio::spawn(async move { lines.run(&table).await });
        Ok(Self {
            exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
            master: clients.master_key(config.master_key_secret()?).await?,
            import_queue: config.import_queue_url()?.to_owned(),
            generate_queue: config.generate_queue_url()?.to_owned(),
            export_queue: config.export_queue_url()?.to_owned(),
            notify_queue: config.notify_queue_url()?.to_owned(),
            count_queue: config.count_queue_url()?.to_owned(),
            webhook_networks: config.webhook_networks()?,
            name_servers: NameServers::new(config.dns_server()?),
            readers: Readers::connect(config.database_url()?)?,
            store,
            clients,
            journal,
        })
    }
}

/// Every operation, with what it says of itself. Whoever serves them has each request pass a gate first: see [`pass`].
pub fn operations() -> OpenApiRouter<Arc<Services>> {
    let v1 = OpenApiRouter::default()
        .routes(routes!(campaigns::create, campaigns::list))
        .routes(routes!(campaigns::show, campaigns::change))
        .routes(routes!(campaigns::delete))
        .routes(routes!(templates::replace, templates::show))
        .routes(routes!(preview::preview))
        .routes(routes!(profiles::list))
        .routes(routes!(profiles::show, profiles::replace, profiles::delete))
        .routes(routes!(imports::create, imports::list))
        .routes(routes!(imports::show))
        .routes(routes!(import_errors::list))
        .routes(routes!(launches::create, launches::list))
        .routes(routes!(launches::show))
        .routes(routes!(launches::pause))
        .routes(routes!(launches::resume))
        .routes(routes!(launches::cancel))
        .routes(routes!(test_mails::send, test_mails::list))
        .routes(routes!(seeds::replace, seeds::show))
        .routes(routes!(unknown_mails::list))
        .routes(routes!(unknown_mails::settle))
        .routes(routes!(reports::accounting))
        .routes(routes!(reports::responses))
        .routes(routes!(reports::domains))
        .routes(routes!(kept::show))
        .routes(routes!(overview::show))
        .routes(routes!(exports::trigger, exports::list))
        .routes(routes!(exports::show))
        .routes(routes!(files::list))
        .routes(routes!(files::link))
        .routes(routes!(suppressions::check))
        .routes(routes!(suppressions::add))
        .routes(routes!(suppressions::remove))
        .routes(routes!(recipients::access))
        .routes(routes!(erasures::erase))
        .routes(routes!(erasures::list))
        .routes(routes!(erasures::show))
        .routes(routes!(domains::list))
        .routes(routes!(domains::show))
        .routes(routes!(account::pgp_key))
        .routes(routes!(account::retention, account::change_retention))
        .routes(routes!(account::deletions))
        .routes(routes!(ssh_keys::add, ssh_keys::list))
        .routes(routes!(ssh_keys::remove))
        .routes(routes!(pgp_keys::add, pgp_keys::list))
        .routes(routes!(pgp_keys::remove))
        .routes(routes!(sftp_password::make, sftp_password::show))
        .routes(routes!(audit::list))
        .routes(routes!(sending_rate::show))
        .routes(routes!(account::receipts))
        .routes(routes!(statement::download))
        .routes(routes!(api_keys::create, api_keys::list))
        .routes(routes!(api_keys::delete))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::deliveries));
    let v2 = OpenApiRouter::default().routes(routes!(batches::import)).routes(routes!(batches::status));
    OpenApiRouter::default().nest("/v1", v1).nest("/v2", v2)
}

/// What the operations say of themselves.
pub fn description() -> OpenApi {
    operations().into_openapi()
}

/// The operations for whoever is in this process and says who asks: each request has an [`Identity`] as its extension.
pub fn router(services: Arc<Services>) -> Router {
    let gate = gate::Known::new(services.clone());
    Router::from(operations())
        .route_layer(from_fn_with_state(Arc::new(gate), gate::known))
        .fallback(async || (StatusCode::NOT_FOUND, OperationError::from(Code::NotFound)))
        .with_state(services)
}
