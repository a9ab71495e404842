//! The work of one process: the function as `main.rs` of it sets it up, or a sweeper that keeps no index.

use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{SweepMessage, TenantId};
use futures_util::{StreamExt, TryStreamExt, stream};
use runtime::{Body, Clients, Config, Delivery, Tick};
use serde::{Deserialize, Serialize};
use sweep::Sweep;
use time::OffsetDateTime;
use tokio::process::Command;

use crate::{Result, gateway::environment, memory::peak_rss_mib};

/// Longer than the function may run, so that one run does all that is due on the slowest machine, too: otherwise the next one would have the rest.
const INVOCATION: Duration = Duration::from_mins(15);
/// As many as the function has under way.
const DELETIONS_AT_ONCE: usize = 8;

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Work {
    /// The schedule.
    Tick,
    /// A message for each of these, one after the other.
    Sweep { tenants: Vec<i64> },
    /// The peer: lists a folder of a bucket, and deletes what was written at that time (in seconds) or before.
    List { bucket: String, prefix: String, cutoff: i64 },
}

/// What the process tells.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub seconds: f64,
    pub peak_rss_mib: u64,
}

/// Does the work in a process of its own, which is as cold as a new function.
pub async fn spawn(work: &Work, database_url: &str, endpoint: &str) -> Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--sweep-child", &serde_json::to_string(work)?]);
    environment(&mut command, database_url, endpoint);
    let queue = |name: &str| format!("{endpoint}/000000000000/{name}");
    command.envs([
        ("IMPORT_QUEUE_URL", queue("import")),
        ("EXPORT_QUEUE_URL", queue("export")),
        ("SWEEP_QUEUE_URL", queue("sweep")),
        ("ANCHORS_BUCKET", "bench-anchors".to_owned()),
        ("REPORTS_BUCKET", "bench-reports".to_owned()),
        ("JOURNAL_BUCKET", "bench-journal".to_owned()),
    ]);
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout)?)
    } else {
        Err(format!("sweep ended with {}", output.status).into())
    }
}

/// Its side of it.
pub async fn child(work: &str) -> Result<()> {
    let config = Config::from_env()?;
    let (sweep, clients) = (Arc::new(Sweep::new(&config).await?), Clients::new(&config).await);
    let begun = Instant::now();
    match serde_json::from_str(work)? {
        Work::Tick => {
            let now = OffsetDateTime::now_utc();
            sweep::tick(sweep, Tick { now, deadline: now + INVOCATION }).await?;
        }
        Work::Sweep { tenants } => {
            for tenant in tenants {
                Box::pin(sweep::handle(sweep.clone(), delivery(TenantId(tenant)))).await?;
            }
        }
        Work::List { bucket, prefix, cutoff } => {
            list_and_delete(&clients, &bucket, &prefix, cutoff).await?;
        }
    }
    let outcome = Outcome { seconds: begun.elapsed().as_secs_f64(), peak_rss_mib: peak_rss_mib("self")? };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn delivery(tenant: TenantId) -> Delivery<SweepMessage> {
    let now = OffsetDateTime::now_utc();
    Delivery {
        body: Body::Message(SweepMessage::Tenant { tenant, now }),
        message_id: "bench".to_owned(),
        receive_count: 1,
        now,
        deadline: now + INVOCATION,
    }
}

/// As plain as it can be: no database, no receipt, no look at an object before it is deleted.
async fn list_and_delete(clients: &Clients, bucket: &str, prefix: &str, cutoff: i64) -> Result<()> {
    let mut token = None;
    loop {
        let request = clients.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let page = request.set_continuation_token(token).send().await?;
        let over = page
            .contents()
            .iter()
            .filter(|object| object.last_modified().is_some_and(|at| at.secs() <= cutoff))
            .filter_map(|object| object.key());
        stream::iter(over)
            .map(|key| clients.s3.delete_object().bucket(bucket).key(key).send())
            .buffer_unordered(DELETIONS_AT_ONCE)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(());
        }
    }
}
