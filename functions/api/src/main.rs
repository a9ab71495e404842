//! Trigger: HTTP requests of integrators, with an API key.
//! Reads: the tenant's rows, as the tenant; whether a file is in Incoming; the sums of a campaign.
//! Writes: campaigns, templates, imports, launches, audit lines.
//! Emits: `ImportMessage::Import`, `GenerateMessage::Launch`, `ExportMessage::Tenant`.
//! Idempotency key: a campaign's name; an import's file with its `ETag` and time of upload. A repeated launch mails nobody again.

use std::sync::Arc;

use api::Api;
use exchange::Exchange;
use runtime::{Clients, Config};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let api = Api {
        store: Store::connect(config.database_url()?)?,
        exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        clients,
        import_queue: config.import_queue_url()?.to_owned(),
        generate_queue: config.generate_queue_url()?.to_owned(),
        export_queue: config.export_queue_url()?.to_owned(),
    };
    runtime::serve_http(api::router(Arc::new(api))).await
}
