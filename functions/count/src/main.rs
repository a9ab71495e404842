//! Trigger: the count queue: somebody looks at a campaign that is too large to be counted while they wait, or at a list of campaigns.
//! Reads: the campaign's imports, ledger and responses.
//! Writes: its `report` and its row of `figures`.
//! Emits: nothing.
//! Idempotency key: the campaign. Counting again finds what is true then.

// The futures of the AWS clients nest deeper than the default of 128.
#![recursion_limit = "256"]

use count::Count;
use runtime::Config;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let count = Count { store: Store::connect(Config::from_env()?.database_url()?)? };
    runtime::serve_queue(count, count::handle).await
}
