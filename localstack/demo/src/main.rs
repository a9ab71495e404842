//! `cargo local demo`: one customer's mailing, told from the upload to the last deleted row, on the running stack.
//!
//! Everything is done as people do it: `gpg` encrypts, OpenSSH's `sftp` uploads, an integrator calls the API, recipients follow links.
//! It ends with the accounting, and fails when the sums do not agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a demo: what fails stops it and is shown"
)]

mod after;
mod answers;
mod mailing;
mod report;

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use localstack::Stack;

/// A whole mailing on the running local stack.
#[derive(Parser)]
struct Arguments {
    /// How many recipients the main file has.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    recipients: u64,
    /// Print the accounting as one last line of JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stack = match Stack::from_env() {
        Ok(stack) => stack,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let size = mailing::Size::of(usize::try_from(arguments.recipients).unwrap());
    let story = Box::pin(mailing::run(&stack, size)).await;
    let answers = answers::give(&story).await;
    let accounting = after::responses(&story, &answers).await;
    let exported = after::exports(&story, &accounting).await;
    let remains = after::sweep(&story).await;
    let totals = report::Totals::of(&accounting, exported, &remains);
    report::table(&stack, &story, &totals, &answers, begun.elapsed());
    if arguments.json {
        println!("{}", serde_json::to_string(&totals).unwrap());
    }
    if totals.balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
