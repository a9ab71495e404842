//! `cargo local bench`: what is fast enough only beside its peer, each on this machine and in this run, several times, by the median.
//!
//! Runs on an instance of the local stack that has the database alone. Add a benchmark to [`Bench`].
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot run ends there")]

mod comparison;
mod database;
mod send;

use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};

/// Run benchmarks beside their peers.
#[derive(Parser)]
struct Arguments {
    /// Which; all without a name.
    names: Vec<Bench>,
    /// One line of JSON for each comparison.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// Mails to an SMTP relay with their ledger, beside Postfix's smtp-source.
    Send,
}

fn main() -> ExitCode {
    let Arguments { mut names, json } = Arguments::parse();
    if names.is_empty() {
        names = Bench::value_variants().to_vec();
    }
    if let [name] = names[..] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let comparisons = match name {
            Bench::Send => runtime.block_on(send::run()),
        };
        comparisons.iter().for_each(|comparison| comparison.print(json));
        return ExitCode::SUCCESS;
    }
    // Each in a process of its own, so that its peak of memory is its own.
    let mut failed = false;
    for name in names {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.arg(name.to_possible_value().unwrap().get_name()).args(json.then_some("--json"));
        failed |= !child.status().unwrap().success();
    }
    ExitCode::from(u8::from(failed))
}
