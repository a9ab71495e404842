//! Trigger: an operator invokes it with a command (JSON in, JSON out); see `command.rs`.
//! Reads: the global schema as its owner; secrets' names; the master key, to unlock a user; buckets' settings; the bucket of anchors.
//! Writes: migrations; tenants and what belongs to them (rows, role, bucket, secrets), which it also deletes; users; holds, receipts, audit lines;
//! documents in the bucket of settings.
//! Emits: nothing.
//! Idempotency key: the tenant's slug and, below it, each key's fingerprint and each domain's name; every step looks at what is there.

use admin::Admin;
use runtime::{Clients, Config};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = Config::from_env()?;
    let admin = Admin {
        store: Store::connect(config.database_url()?)?,
        clients: Clients::new(&config).await,
        deployment: config.deployment().to_owned(),
        settings_bucket: config.settings_bucket()?.to_owned(),
        anchors_bucket: config.anchors_bucket()?.to_owned(),
        import_queue_arn: config.import_queue_arn()?.to_owned(),
        master_key_secret: config.master_key_secret()?.to_owned(),
    };
    runtime::serve_command(admin, admin::handle).await
}
