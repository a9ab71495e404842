//! The notify function.
//!
//! Trigger: the notify queue, and a schedule of one minute.
//! Reads: `webhooks`, due `webhook_deliveries`; due `notices` and their users; the master key from Secrets Manager; name servers.
//! Writes: HTTPS requests to tenants' receivers; the outcome of each attempt into `webhook_deliveries`; `webhooks.disabled_at` after a 410;
//! mails to users over the SMTP relay; `password_links`.
//! Emits: one message per tenant with something due; one for what an invocation had no time for.
//! Idempotency key: the row of `webhook_deliveries`. An attempt takes its lease first. Receivers know a repeated event by `webhook-id`.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use notify::Notify;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let notify = Notify::new(&config).await?;
    Box::pin(runtime::serve_queue_and_schedule(notify, notify::handle, notify::tick)).await
}
