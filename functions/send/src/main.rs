//! The send function.
//!
//! Trigger: the send queue, and a schedule of one minute.
//! Reads: a slice's ledger rows and its spool object; the master key from Secrets Manager; what the journal's bucket has beyond the database.
//! Writes: the ledger (intents, outcomes), `responses`, suppressions and soft bounces of what the relay refused, the launch's end, webhook deliveries; the
//! journal into its bucket; mails to the SMTP relay.
//! Emits: `SendMessage::Slice` for what is due, and for what an invocation had no time for; `GenerateMessage::Slice` for the slice whose turn
//! comes when another one is done; `GenerateMessage::Launch` for a launch that waited for the end of a cancelled one.
//! Idempotency key: the ledger row; only its change from `spooled` to `sending` permits a mail to go out, and that happens once.

use send::Send;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let send = Send::new(&config).await?;
    runtime::serve_queue_and_schedule(send, send::handle, send::tick).await
}
