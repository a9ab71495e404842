//! Trigger: a schedule every five minutes, which puts every tenant on the queue; the queue `sweep`.
//! Reads:   the journal, in a restored database; the index of the File Exchange, listings, campaigns, holds, imports, launches, erasures; the bucket's lifecycle rules and versioning.
//! Writes:  deletes expired files and old versions, unfinished uploads, spool objects, people who are to be erased, campaign schemas, webhook
//!          deliveries, soft bounces, kept answers and old audit lines; all of an account that is being deleted;
//!          `broadcast.receipts`, `broadcast.files`, `campaigns.totals`; cancels what is open in a campaign that ends; lifecycle rules that
//!          drifted; the head of the chain of receipts into the bucket of anchors.
//! Emits:   lost imports again; a campaign's final export.
//! Idempotency key: none is needed. Each step looks at what is there, and a receipt is written with the rows that it is about.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use sweep::Sweep;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let sweep = Sweep::new(&config).await?;
    Box::pin(runtime::serve_queue_and_schedule(sweep, sweep::handle, sweep::tick)).await
}
