//! Trigger: SSH connections on `GATEWAY_LISTEN`; runs until SIGTERM. Reads: the tenants' buckets; `broadcast.tenants`, `ssh_keys`; the host
//! keys and the master key in Secrets Manager. Writes: Incoming of the tenant's bucket, and what the client removes; `broadcast.uploads` and
//! tails of unfinished uploads in the spool; `broadcast.audit`. Emits: nothing itself, S3 announces new files to the import. Idempotency key:
//! none; an upload becomes a file whole when the client closes it, or never.

use exchange::Exchange;
use gateway::{Gateway, host_keys};
use store::Store;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Statements of the gateway are short: one per login, one per finished action.
const DATABASE_CONNECTIONS_MAX: u32 = 8;

#[tokio::main]
async fn main() -> Result<(), runtime::Error> {
    runtime::telemetry::init();
    let config = runtime::Config::from_env()?;
    let clients = runtime::Clients::new(&config).await;
    let keys = host_keys(&clients.secret(config.gateway_host_key_secret()?).await?)?;
    let master = clients.master_key(config.master_key_secret()?).await?;
    let store = Store::connect_awake(config.database_url()?, DATABASE_CONNECTIONS_MAX)?;
    let exchange = Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(config.gateway_listen()?).await?;
    tracing::info!("the gateway listens");
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Gateway::new(store, exchange, master).serve(listener, keys, stop).await;
    Ok(())
}
