//! Trigger: the queue `export`; a schedule every minute, which puts the tenants that are due on it.
//! Reads:   `responses`, `ledger`, `links`, `recipients_<n>` of campaigns; the tenant's settings and keys.
//! Writes:  CSV files and a manifest into the tenant's Exports; `broadcast.exports`, `campaigns.exported_seq`, `broadcast.files`,
//!          `broadcast.webhook_deliveries`.
//! Emits:   one message per due tenant; one for `notify` where a webhook is to be told.
//! Idempotency key: the row of `broadcast.exports`: its bounds and its files' names are fixed before the first byte is written.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use export::Export;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let clients = runtime::Clients::new(&config).await;
    let export = Export {
        store: store::Store::connect(config.database_url()?)?,
        exchange: exchange::Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        export_queue_url: config.export_queue_url()?.to_owned(),
        notify_queue_url: config.notify_queue_url()?.to_owned(),
        clients,
    };
    Box::pin(runtime::serve_queue_and_schedule(export, export::handle, export::tick)).await
}
