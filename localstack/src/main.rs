//! `cargo local`: sets the machine up, runs the local stack, and runs the demo, the tests and the benchmarks on it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use localstack::instance::{Instance, Without};
use localstack::setup::{self, Purpose};
use localstack::{Result, commands, imports, people, proxy, run, sink};

#[derive(Parser)]
#[command(name = "cargo local", bin_name = "cargo local", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing (every other command does this first)
    Setup,
    /// Build, and start what is not running
    Up {
        #[command(flatten)]
        instance: Name,
        /// Run the binaries that are there
        #[arg(long)]
        without_build: bool,
        /// Do not start the gateway
        #[arg(long)]
        without_gateway: bool,
        /// Leave the database empty
        #[arg(long)]
        without_migrations: bool,
    },
    /// End everything and remove its data
    Down {
        #[command(flatten)]
        instance: Name,
    },
    /// Show parts, queues and functions; exit code 1 unless all parts run
    Status {
        #[command(flatten)]
        instance: Name,
    },
    /// Show how far imports are
    Imports {
        /// Go on until none is under way
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        instance: Name,
    },
    /// Show the log of a function or a part
    Logs {
        /// A function (`send`) or a part (`postfix`)
        name: String,
        /// Go on as it grows
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        instance: Name,
    },
    /// Call a function and print its answer
    Invoke {
        /// The function's name, like `sweep`
        function: String,
        /// A JSON document
        #[arg(default_value = "{}")]
        payload: String,
        #[command(flatten)]
        instance: Name,
    },
    /// Print a secret of the local Secrets Manager
    Secret {
        /// As answers of `admin` name it
        name: String,
        #[command(flatten)]
        instance: Name,
    },
    /// Print the codes that went to phones, the newest of each
    Code {
        /// Of this phone alone: `+4915123456789`
        #[arg(long)]
        phone: Option<String>,
        #[command(flatten)]
        instance: Name,
    },
    /// Run the tests on a stack of their own
    Test {
        /// Only tests whose names contain this; after `--`, anything for cargo test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
        /// Scenarios that take minutes too, and the fuzz targets
        #[arg(long)]
        all: bool,
    },
    /// Run benchmarks in a release build beside their peers
    Bench {
        /// Which ones; all without a name
        names: Vec<String>,
        /// One line of JSON for each comparison
        #[arg(long)]
        json: bool,
        /// Of the gateway's cases only those whose name contains this
        #[arg(long)]
        case: Option<String>,
    },
    /// Run a whole mailing and account for every recipient
    Demo {
        /// How many rows the recipient file has
        #[arg(long)]
        recipients: Option<u64>,
        /// A last line of JSON
        #[arg(long)]
        json: bool,
        /// Leave the stack up for a look
        #[arg(long)]
        keep: bool,
    },
    #[command(hide = true)]
    Sink {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        reports_url: String,
        #[arg(long)]
        bounce_domain: String,
    },
    #[command(hide = true)]
    Proxy {
        /// Host and port to forward to
        #[arg(long)]
        upstream: String,
        /// `<port>=<host of a function URL>`
        #[arg(long)]
        route: Vec<proxy::Route>,
    },
}

#[derive(clap::Args)]
struct Name {
    /// Which stack: several run side by side
    #[arg(long, default_value = "dev")]
    instance: String,
}

impl Name {
    fn instance(&self) -> Result<Instance> {
        Instance::named(&self.instance)
    }
}

/// As a shell reports a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let started = instance_started_by(&command);
    let result = tokio::select! {
        result = execute(command) => result,
        () = interrupted() => {
            eprintln!("\nInterrupted.");
            // What was started goes down again; `up` of a stack that ran already has started nothing.
            match clear(started).await {
                Ok(()) => return ExitCode::from(INTERRUPTED),
                Err(error) => Err(error),
            }
        }
    };
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<i32> {
    match command {
        Command::Sink { port, dir, reports_url, bounce_domain } => {
            let settings = sink::Settings { dir, reports_url, bounce_domain, login: None, as_ses: false };
            sink::serve(port, settings).await.map(|()| 0)
        }
        Command::Proxy { upstream, route } => proxy::serve(&upstream, &route).await.map(|()| 0),
        // These work on what is there.
        Command::Down { instance } => run::down(&instance.instance()?).await.map(|()| 0),
        Command::Status { instance } => commands::status(&instance.instance()?).await.map(code),
        Command::Imports { follow, instance } => {
            imports::show(&instance.instance()?, follow).await.map(|()| 0)
        }
        Command::Logs { name, follow, instance } => {
            commands::logs(&instance.instance()?, &name, follow).map(|()| 0)
        }
        Command::Code { phone, instance } => {
            people::code(&instance.instance()?, phone.as_deref()).await.map(|()| 0)
        }
        Command::Secret { name, instance } => {
            commands::secret(&instance.instance()?, &name).await.map(|()| 0)
        }
        command => {
            setup::ensure(purpose(&command)).await?;
            prepared(command).await
        }
    }
}

fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Test { all: true, .. } => Purpose::LongTests,
        Command::Setup | Command::Test { .. } => Purpose::Tests,
        Command::Bench { .. } => Purpose::Bench,
        _ => Purpose::Stack,
    }
}

/// Commands for which everything is installed.
async fn prepared(command: Command) -> Result<i32> {
    match command {
        Command::Up { instance, without_build, without_gateway, without_migrations } => {
            if !without_build {
                run::build().await?;
            }
            let without =
                Without { gateway: without_gateway, migrations: without_migrations, ..Without::default() };
            let (stack, ran_already) = instance.instance()?.up(&without).await?;
            commands::say(if ran_already { "The stack is up already.\n" } else { "The stack is up.\n" });
            commands::say(&commands::where_to_look(&stack));
            if !ran_already && !without_migrations {
                commands::say(&people::operator(&stack).await?);
            }
            commands::say(&format!("\nFor tests in an editor: export {}", run::export(&stack)));
            Ok(0)
        }
        Command::Invoke { function, payload, instance } => {
            commands::invoke(&instance.instance()?, &function, &payload).await.map(code)
        }
        Command::Test { filter, all } => run::test(&filter, all).await,
        Command::Bench { names, json, case } => {
            let case = case.into_iter().flat_map(|case| ["--case".to_owned(), case]).collect();
            run::bench(&names, &with_flag(case, json)).await
        }
        Command::Demo { recipients, json, keep } => {
            let recipients = recipients.map(|n| vec!["--recipients".to_owned(), n.to_string()]);
            run::demo(&with_flag(recipients.unwrap_or_default(), json), keep).await
        }
        // Setup, which is done by now; the others never come here.
        _ => {
            commands::say("Everything is installed.");
            Ok(0)
        }
    }
}

fn with_flag(mut arguments: Vec<String>, json: bool) -> Vec<String> {
    if json {
        arguments.push("--json".to_owned());
    }
    arguments
}

fn code(well: bool) -> i32 {
    i32::from(!well)
}

/// The instance that a command starts, which an interrupt takes down again.
struct Started {
    name: String,
    /// An interrupted `up` leaves a stack that was up before.
    unless_whole: bool,
}

fn instance_started_by(command: &Command) -> Option<Started> {
    let (name, unless_whole) = match command {
        Command::Up { instance, .. } => (instance.instance.as_str(), true),
        Command::Test { .. } => ("test", false),
        Command::Bench { .. } => ("bench", false),
        Command::Demo { .. } => ("demo", false),
        _ => return None,
    };
    Some(Started { name: name.to_owned(), unless_whole })
}

async fn clear(started: Option<Started>) -> Result<()> {
    let Some(Started { name, unless_whole }) = started else { return Ok(()) };
    let instance = Instance::named(&name)?;
    if unless_whole && instance.stack().is_ok() {
        return Ok(());
    }
    run::down(&instance).await
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_test_filter_may_come_before_or_after_all() {
        for line in [&["x", "test", "--all", "crash"][..], &["x", "test", "crash"], &["x", "test"]] {
            assert!(Arguments::try_parse_from(line).is_ok(), "{line:?}");
        }
    }
}
