//! One import in a process of its own, as `main.rs` of the function sets it up.

use std::{process::Stdio, sync::Arc, time::Instant};

use access::MasterKey;
use contract::{ImportId, TenantId};
use exchange::Exchange;
use localstack::Stack;
use runtime::{Clients, Config};
use serde::{Deserialize, Serialize};
use store::Store;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::{Result, memory::peak_rss_mib};

const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// As long as the function may run.
const INVOCATION: Duration = Duration::minutes(15);

/// What the child tells.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    pub seconds: f64,
    pub peak_rss_mib: u64,
}

/// Runs the import and tells how long it took, from the claim to `finished`.
pub async fn child(tenant: i64, import: i64) -> Result<()> {
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let function = import::Import {
        store: Store::connect(config.database_url()?)?,
        exchange: Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?),
        master_key: MasterKey::from_base64(MASTER_KEY)?,
        resolver: Arc::new(import::Resolver::new(config.dns_server()?)),
        generate_queue: String::new(),
        notify_queue: String::new(),
        clients,
    };
    let now = OffsetDateTime::now_utc();
    let turn = import::Turn { message_id: "bench".to_owned(), now, deadline: now + INVOCATION };
    let begun = Instant::now();
    import::run(&function, TenantId(tenant), ImportId(import), &turn).await?;
    let outcome = Outcome { seconds: begun.elapsed().as_secs_f64(), peak_rss_mib: peak_rss_mib("self")? };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

pub async fn spawn(stack: &Stack, endpoint: &str, tenant: i64, import: i64) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--import-child").arg(tenant.to_string()).arg(import.to_string()).env_clear();
    command.envs([
        ("DATABASE_URL", stack.database_url.as_str()),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("DEPLOYMENT", "bench"),
        ("SPOOL_BUCKET", "bench-spool"),
        ("TENANT_ROLE_ARN", "arn:aws:iam::000000000000:role/bench"),
    ]);
    let output = command.stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err("the import failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
