//! The function `import`.
//!
//! - Trigger: the import queue, with S3 notifications of tenants' `Incoming/` and [`contract::ImportMessage`].
//! - Reads: the file and its control file; campaigns, profiles, keys; secrets of the tenant's OpenPGP keys.
//! - Writes: `recipients_<import>` of the campaign; imports, files, launches, webhook deliveries; `Finished/`, `Invalids/`.
//! - Emits: [`contract::GenerateMessage::Launch`], where the call asks for it; [`contract::NotifyMessage`], where a webhook is to be told.
//! - Idempotency key: tenant, file name, `ETag` and time of the upload (an event); the import's id (a message).

// The AWS clients' futures are nested more deeply than the compiler expects.
#![recursion_limit = "256"]

use std::sync::Arc;

use runtime::{Clients, Config};

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let function = import::Import {
        store: store::Store::connect(config.database_url()?)?,
        exchange: exchange::Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        master_key: clients.master_key(config.master_key_secret()?).await?,
        resolver: Arc::new(import::Resolver::new(config.dns_server()?)),
        generate_queue: config.generate_queue_url()?.to_owned(),
        notify_queue: config.notify_queue_url()?.to_owned(),
        clients,
    };
    runtime::serve_queue(function, import::handle).await
}
