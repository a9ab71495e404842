//! A whole launch: from its start to the last `sent`, by the real functions through their queues, into `smtp-sink`.
//!
//! Its one peer is the machine: where the processor's time goes is told by program, and what a mail costs in all.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contract::{CampaignId, LaunchId, TenantId};
use localstack::{Stack, processes_of};
use serde::Serialize;
use serde_json::json;
use testkit::{Tenant, csv::Plan, own, wait};
use time::OffsetDateTime;

use crate::{Result, comparison::rounded, memory::peak_rss_mib, processor::by_program, sink::Sink};

const RECIPIENTS: usize = 200_000;
const SECONDS_PER_HOUR: f64 = 3_600.0;
/// Between two looks at how far it is: each counts the ledger.
const LOOK: Duration = Duration::from_secs(2);
/// Many times what it takes.
const DEADLINE: Duration = Duration::from_mins(30);

/// What it came to.
#[derive(Debug, Serialize)]
pub struct Launched {
    bench: &'static str,
    recipients: usize,
    seconds: f64,
    mails_per_hour: f64,
    cores: usize,
    mails_per_hour_and_core: f64,
    /// Of all cores, by program.
    processor_seconds: BTreeMap<String, f64>,
    /// The most that one process of each function had.
    peak_rss_mib: BTreeMap<&'static str, u64>,
    /// From the launch to its first mail.
    first_sent_seconds: f64,
}

impl Launched {
    /// Prints a line for people or for programs.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let Self { recipients, seconds, mails_per_hour, mails_per_hour_and_core, first_sent_seconds, .. } =
            self;
        println!(
            "launch, {recipients} recipients: {seconds} s ({first_sent_seconds} s to the first), {mails_per_hour} mails/hour, \
             {mails_per_hour_and_core} per core"
        );
        let programs: Vec<_> =
            self.processor_seconds.iter().map(|(program, seconds)| format!("{program} {seconds}")).collect();
        println!("launch, processor seconds: {}", programs.join(", "));
        let functions: Vec<_> =
            self.peak_rss_mib.iter().map(|(function, peak)| format!("{function} {peak} MiB")).collect();
        println!("launch, memory of a process at most: {}", functions.join(", "));
        Ok(())
    }
}

/// Runs one launch.
pub async fn bench(main: &Stack) -> Result<Launched> {
    let sink = Sink::start().await?;
    let relay = [("RELAY_URL", format!("smtp://{}", sink.address))];
    let stack = own::deploy_with(main, "launch", &["import", "generate", "send"], &relay).await;
    let launched = launch(&stack).await;
    own::undeploy(&stack).await;
    launched
}

async fn launch(stack: &Stack) -> Result<Launched> {
    let tenant = Tenant::new(stack, "launch").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: RECIPIENTS, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", false).await;
    wait::until("the import", async || {
        tenant.imports(campaign).await.iter().any(|import| import["state"] == "finished").then_some(())
    })
    .await;

    let store = store::Store::connect(&stack.database_url)?;
    let mut tx = store.tenant(TenantId(tenant.id)).await?;
    let made = store::schedule_launch(&mut tx, CampaignId(campaign), store::Plan::default()).await?;
    tx.commit().await?;
    let store::Scheduled::Made(LaunchId(id)) = made else { return Err("no launch".into()) };
    let before = by_program()?;
    let begun = Instant::now();
    let message = json!({"type": "launch.v1", "tenant": tenant.id, "campaign": campaign, "launch": id});
    tenant.aws.send(&stack.deployment.queues["generate"].url, &message.to_string()).await;

    let mut first_sent = None;
    let mut peaks = BTreeMap::new();
    let mut ticks = tokio::time::interval(LOOK);
    let elapsed = loop {
        ticks.tick().await;
        look_at_memory(stack, &mut peaks);
        let (ended, sent) = look(&store, &tenant, campaign, id).await?;
        if sent && first_sent.is_none() {
            first_sent = Some(begun.elapsed());
        }
        if let Some(ended) = ended {
            break ended;
        }
        if begun.elapsed() > DEADLINE {
            return Err("the launch does not end".into());
        }
    };
    let mut processor_seconds = by_program()?;
    processor_seconds.retain(|program, seconds| {
        *seconds = rounded(*seconds - before.get(program).copied().unwrap_or(0.0), 1);
        *seconds >= 1.0
    });
    let accounting = tenant.accounting(campaign).await;
    if accounting.number("ledger.sent") != RECIPIENTS as u64 || !accounting.balanced() {
        return Err(format!("not everybody was mailed: {accounting:?}").into());
    }
    let cores = std::thread::available_parallelism()?.get();
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (recipients, core_count) = (RECIPIENTS as f64, cores as f64);
    let per_hour = recipients / elapsed * SECONDS_PER_HOUR;
    Ok(Launched {
        bench: "launch",
        recipients: RECIPIENTS,
        seconds: rounded(elapsed, 1),
        mails_per_hour: rounded(per_hour, 0),
        cores,
        mails_per_hour_and_core: rounded(per_hour / core_count, 0),
        processor_seconds,
        peak_rss_mib: peaks,
        first_sent_seconds: rounded(first_sent.unwrap_or_default().as_secs_f64(), 1),
    })
}

/// The kernel keeps a process's peak as long as it lives.
fn look_at_memory(stack: &Stack, peaks: &mut BTreeMap<&'static str, u64>) {
    for function in ["generate", "send"] {
        for process in processes_of(&stack.deployment.functions[function]) {
            if let Ok(peak) = peak_rss_mib(&process.to_string()) {
                let highest = peaks.entry(function).or_default();
                *highest = peak.max(*highest);
            }
        }
    }
}

/// After how many seconds the launch ended, and whether anything is sent.
async fn look(
    store: &store::Store,
    tenant: &Tenant,
    campaign: i64,
    launch: i64,
) -> Result<(Option<f64>, bool)> {
    let mut tx = store.campaign(TenantId(tenant.id), CampaignId(campaign)).await?;
    let (begun, ended, sent): (OffsetDateTime, Option<OffsetDateTime>, bool) = sqlx::query_as(
        "SELECT created_at, ended_at, EXISTS (SELECT FROM ledger WHERE launch_id = $1 AND slice = 0 AND state = 'sent')
         FROM broadcast.launches WHERE id = $1",
    )
    .bind(launch)
    .fetch_one(&mut *tx)
    .await?;
    Ok((ended.map(|ended| (ended - begun).as_seconds_f64()), sent))
}
