//! `cargo local bench`: what is fast enough only beside its peer, each on this machine and in this run, several times, by the median.
//!
//! Runs on an instance of the local stack that has the database alone. A benchmark is a module and a name in [`Bench`].

mod api;
mod cloud;
mod coldstart;
mod collect;
mod comparison;
mod console;
mod database;
mod export;
mod gateway;
mod generate;
mod import;
mod launch;
mod load;
mod memory;
mod openpgp;
mod processor;
mod s3;
mod send;
mod sink;
mod strangers;
mod sweep;
mod track;

use clap::{Parser, ValueEnum};
use comparison::Comparison;
use localstack::Stack;
use processor::Costs;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs of each side; odd, for the median.
const RUNS: usize = 3;
const IMPORT_ROWS: u64 = 1_000_000;
const SEND_MAILS: usize = 50_000;

/// Run benchmarks beside their peers.
#[derive(Parser)]
struct Arguments {
    /// Which; all without a name.
    names: Vec<Bench>,
    /// One line of JSON for each comparison.
    #[arg(long)]
    json: bool,
    /// Of the import's, the gateway's and sweep's cases only those whose name contains this.
    #[arg(long)]
    case: Option<String>,
    /// One import of a tenant, in a process of its own.
    #[arg(long, num_args = 2, value_names = ["TENANT", "IMPORT"], hide = true)]
    import_child: Option<Vec<i64>>,
    /// One export of a tenant, in a process of its own.
    #[arg(long, value_name = "TENANT", hide = true)]
    export_child: Option<i64>,
    /// One file of the OpenPGP benchmark, as JSON.
    #[arg(long, value_name = "WORK", hide = true)]
    openpgp_child: Option<String>,
    /// The S3 server over a folder, or `endless`, with a folder of secrets.
    #[arg(long, num_args = 2, value_names = ["PLACE", "SECRETS"], hide = true)]
    s3_server: Option<Vec<String>>,
    /// An HTTP server: `ours`, `bare` or `console`.
    #[arg(long, value_name = "SIDE", hide = true)]
    api_child: Option<String>,
    /// A server of opens: `alone` or `whole`.
    #[arg(long, value_name = "SIDE", hide = true)]
    collect_child: Option<String>,
    /// Tenants to sweep, as JSON.
    #[arg(long, value_name = "WORK", hide = true)]
    sweep_child: Option<String>,
    /// Files to write to S3 and read, as JSON.
    #[arg(long, value_name = "WORK", hide = true)]
    s3_client: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// A million rows from S3 into Postgres, beside `psql \copy`.
    Import,
    /// Rendering, building, signing and sealing messages, beside the signatures alone by `openssl speed`.
    Generate,
    /// Mails to an SMTP relay with their ledger, beside Postfix's smtp-source.
    Send,
    /// A million responses into Postgres, each once, beside `psql \copy`.
    Track,
    /// Half a million responses into files, beside `psql \copy to`; encrypted, beside `psql | gpg -e`.
    Export,
    /// Decrypting and encrypting 256 MiB, beside `gpg`; and decrypting beside what import takes.
    Openpgp,
    /// Uploads over SFTP, beside OpenSSH's server and `rclone serve sftp`.
    GatewayUpload,
    /// Downloads over SFTP, beside the same.
    GatewayDownload,
    /// Reading a campaign and a page of imports over HTTP, beside a bare handler.
    Api,
    /// Pages of the console over a million recipients, beside the same figures counted at each look.
    Console,
    /// From the start of each function's process to its first question for work, beside a function that does nothing.
    Coldstart,
    /// Opens over HTTP, beside nginx's `empty_gif`, each on one processor.
    Collect,
    /// Finding and deleting what is over, beside a listing; finding that nothing is, of many files, tenants and campaigns.
    Sweep,
    /// A launch of 200,000 through all functions and queues. Needs the whole stack, so `cargo local bench` runs it apart from the others.
    Launch,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(side) = &arguments.collect_child {
        return collect::child(side);
    }
    tokio::runtime::Runtime::new()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    let Arguments {
        mut names,
        json,
        case,
        import_child,
        export_child,
        openpgp_child,
        s3_server,
        api_child,
        sweep_child,
        s3_client,
        ..
    } = arguments;
    if let Some([tenant, import]) = import_child.as_deref() {
        return import::child(*tenant, *import).await;
    }
    if let Some(tenant) = export_child {
        return Box::pin(export::child(tenant)).await;
    }
    if let Some(side) = api_child {
        return api::child(&side).await;
    }
    if let Some(work) = openpgp_child {
        return openpgp::child(&work);
    }
    if let Some(work) = sweep_child {
        return Box::pin(sweep::child(&work)).await;
    }
    if let Some([place, secrets]) = s3_server.as_deref() {
        return s3::serve(place, secrets).await;
    }
    if let Some(work) = s3_client {
        return gateway::alone::child(&work).await;
    }
    if names.is_empty() {
        names = Bench::value_variants().iter().copied().filter(|name| *name != Bench::Launch).collect();
    }
    let [name] = names.as_slice() else { return each_alone(&names, json, case.as_deref()).await };
    let case = case.as_deref().unwrap_or_default();
    let stack = Stack::from_env()?;
    let comparisons = match name {
        Bench::Import => with_costs(Box::pin(import::bench(&stack, RUNS, IMPORT_ROWS, case)).await?, json)?,
        Bench::Generate => generate::bench(RUNS).await?,
        Bench::Send => Box::pin(send::bench(&stack, RUNS, SEND_MAILS)).await?,
        Bench::Track => with_costs(Box::pin(track::bench(&stack, RUNS)).await?, json)?,
        Bench::Export => with_costs(Box::pin(export::bench(&stack, RUNS)).await?, json)?,
        Bench::Openpgp => Box::pin(openpgp::bench(&stack, RUNS)).await?,
        Bench::GatewayUpload => Box::pin(gateway::bench(&stack, RUNS, gateway::Way::Up, case)).await?,
        Bench::Api => Box::pin(api::bench(&stack, RUNS)).await?,
        Bench::Console => Box::pin(console::bench(&stack)).await?,
        Bench::Coldstart => Box::pin(coldstart::bench(&stack)).await?,
        Bench::Collect => Box::pin(collect::bench(RUNS)).await?,
        Bench::Sweep => {
            let (comparisons, figures) = Box::pin(sweep::bench(&stack, RUNS, case)).await?;
            figures.iter().try_for_each(|figure| figure.print(json))?;
            comparisons
        }
        Bench::Launch => {
            Box::pin(launch::bench(&stack)).await?.print(json)?;
            Vec::new()
        }
        Bench::GatewayDownload => Box::pin(gateway::bench(&stack, RUNS, gateway::Way::Down, case)).await?,
    };
    for comparison in comparisons {
        comparison.print(json)?;
    }
    Ok(())
}

/// Prints what both sides cost.
fn with_costs((comparisons, costs): (Vec<Comparison>, Vec<Costs>), json: bool) -> Result<Vec<Comparison>> {
    for cost in costs {
        cost.print(json)?;
    }
    Ok(comparisons)
}

/// Several: each in a process of its own, so that the peak of one's memory is not the other's.
async fn each_alone(names: &[Bench], json: bool, case: Option<&str>) -> Result<()> {
    for name in names {
        let mut bench = tokio::process::Command::new(std::env::current_exe()?);
        bench.args(name.to_possible_value().map(|value| value.get_name().to_owned()));
        if json {
            bench.arg("--json");
        }
        bench.args(case.into_iter().flat_map(|case| ["--case", case]));
        let status = bench.status().await?;
        if !status.success() {
            return Err(format!("the benchmark ended with {status}").into());
        }
    }
    Ok(())
}
