//! Trigger: HTTP requests of integrators, with an API key.
//! Reads: the tenant's rows, as the tenant; files in Incoming and Invalids; the sums of a campaign; the DNS records of sender domains.
//! Writes: campaigns, templates, import profiles, imports, launches, seeds, test mails, what is known of
//! unknown mails, suppressions, erasures, API keys, webhooks, answers to repeat, audit lines.
//! Emits: `ImportMessage::Import`, `GenerateMessage::Launch`, `ExportMessage::Tenant`, `NotifyMessage::Tenant`.
//! Idempotency key: the request's `Idempotency-Key`; without one a campaign's name, and an import's file with its `ETag` and time of upload. A
//! repeated launch mails nobody twice.

use std::sync::Arc;

use api::Api;
use runtime::Config;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = Config::from_env()?;
    let api = Api::new(&config).await?;
    runtime::serve_http(&config, api::router(Arc::new(api))).await
}
