//! The generate function.
//!
//! Trigger: the generate queue, and a schedule of one minute.
//! Reads: launches, templates, imports, suppressions, the campaign's recipients, seeds and ledger; DKIM keys and the master key from Secrets Manager.
//! Writes: ledger rows, links, the launch's state, webhook deliveries, spool objects.
//! Emits: `GenerateMessage::Slice` per slice of a launch; `SendMessage::Slice` when a slice's messages stand in the spool, and when its launch
//! is resumed; `GenerateMessage::Launch` for a launch whose time has come, or that is cancelled in several steps.
//! Idempotency key: the address within a campaign (`ledger.address_key`), and the name of a slice's spool object, written once.

use generate::Generate;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let generate = Generate::new(&config).await?;
    runtime::serve_queue_and_schedule(generate, generate::handle, generate::tick).await
}
