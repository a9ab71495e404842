//! Building, and the programs that run on a stack: tests, the demo, benchmarks.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::error::{Error, IoContext, Result};
use crate::fuzz;
use crate::infra;
use crate::instance::{Instance, Without};
use crate::paths;
use crate::progress::Step;
use crate::stack::{STACK_VARIABLE, Stack};

/// Set by `test --all`: scenarios that take minutes run too, and the fuzz targets.
const LONG_VARIABLE: &str = "BROADCAST_LONG";
/// The one test binary that needs the whole stack.
const SCENARIOS: &str = "scenarios";
/// How many tests run at once: scenarios wait for queues more than they compute.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";
const THREADS: usize = 4;
/// What `cargo run` sets for this driver and a nested cargo must not take for its own.
const CARGO_VARIABLES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

/// Builds every binary of the workspace. Cargo shows its own progress.
pub async fn build() -> Result<()> {
    eprintln!("Building the functions ...");
    cargo(&["build", "--workspace", "--bins"]).await
}

/// Runs the tests on an instance of their own, which goes down afterwards. The tests' exit code. Nothing is
/// printed to standard output after the test runner's own last line.
pub async fn test(filter: &[String], all: bool) -> Result<i32> {
    build().await?;
    eprintln!("Building the tests ...");
    cargo(&["test", "--workspace", "--lib", "--test", SCENARIOS, "--no-run", "--quiet"]).await?;
    let instance = Instance::named("test")?;
    // A stack that an interrupted run left behind holds its data.
    instance.down().await?;
    let (stack, _) = instance.up(&Without::default()).await?;
    // The crates' own tests, then the scenarios: their counting line is the last.
    let run = async |target: &[&str]| {
        let mut command = cargo_command(&["test", "--workspace", "--no-fail-fast"]);
        command.args(target).args(filter).env(STACK_VARIABLE, stack.path());
        if std::env::var_os(THREADS_VARIABLE).is_none() {
            command.env(THREADS_VARIABLE, THREADS.to_string());
        }
        if all {
            command.env(LONG_VARIABLE, "1");
        }
        wait("run the tests", command).await
    };
    let crates = run(&["--lib"]).await;
    // A filter names tests, and neither fuzz targets nor the check of infra/.
    let fuzzed = if all && filter.is_empty() { fuzz::run().await } else { Ok(true) };
    let checked = if filter.is_empty() { infra::check().await } else { Ok(true) };
    let scenarios = run(&["--test", SCENARIOS]).await;
    instance.down().await?;
    let codes = [
        crates?.code().unwrap_or(1),
        i32::from(!fuzzed?),
        i32::from(!checked?),
        scenarios?.code().unwrap_or(1),
    ];
    Ok(codes.into_iter().find(|code| *code != 0).unwrap_or(0))
}

/// Runs the demo on an instance of its own with `arguments`. Its exit code.
pub async fn demo(arguments: &[String], keep: bool) -> Result<i32> {
    build().await?;
    let instance = Instance::named("demo")?;
    instance.down().await?;
    let (stack, _) = instance.up(&Without::default()).await?;
    let mut command = Command::new(paths::binaries().join("demo"));
    command.args(arguments).env(STACK_VARIABLE, stack.path());
    let status = wait("run the demo", command).await;
    if keep {
        eprintln!("The stack stays up: `cargo local down --instance demo` ends it.");
    } else {
        down(&instance).await?;
    }
    Ok(status?.code().unwrap_or(1))
}

/// The benchmark that takes the whole stack; the others have a database of their own and nothing beside it.
const WHOLE_STACK_BENCH: &str = "launch";

/// Runs benchmarks in a release build. Their exit code.
pub async fn bench(names: &[String], options: &[String]) -> Result<i32> {
    let (whole, others): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| name == WHOLE_STACK_BENCH);
    if names.is_empty() || !others.is_empty() {
        let without = Without { all_but_database: true, ..Without::default() };
        let code = bench_on(&without, &others, options).await?;
        if code != 0 {
            return Ok(code);
        }
    }
    if !names.is_empty() && whole.is_empty() {
        return Ok(0);
    }
    if std::env::var_os(paths::PROFILE_VARIABLE).is_none() {
        // Once more with the functions' own binaries of that build.
        let program = std::env::current_exe().or_cannot(|| "find this program".to_owned())?;
        let mut command = Command::new(program);
        command.args(["bench", WHOLE_STACK_BENCH]).args(options).env(paths::PROFILE_VARIABLE, "release");
        return Ok(wait("run the benchmark", command).await?.code().unwrap_or(1));
    }
    bench_on(&Without::default(), &[WHOLE_STACK_BENCH.to_owned()], options).await
}

async fn bench_on(without: &Without, names: &[String], options: &[String]) -> Result<i32> {
    eprintln!("Building in release mode ...");
    cargo(&["build", "--release", "--workspace", "--bins"]).await?;
    let instance = Instance::named("bench")?;
    instance.down().await?;
    let (stack, _) = instance.up(without).await?;
    let mut command = Command::new(paths::target().join("release/bench"));
    command.args(names).args(options).env(STACK_VARIABLE, stack.path());
    let status = wait("run the benchmarks", command).await;
    instance.down().await?;
    Ok(status?.code().unwrap_or(1))
}

/// Takes an instance down and tells so.
pub async fn down(instance: &Instance) -> Result<()> {
    let step = Step::begin("Taking the stack down");
    let ran = instance.down().await?;
    step.done(if ran { "nothing is left running" } else { "nothing was running" });
    Ok(())
}

/// The stack's document, for a shell: `export BROADCAST_STACK=...`.
pub fn export(stack: &Stack) -> String {
    format!("{STACK_VARIABLE}={}", stack.path().display())
}

async fn cargo(arguments: &[&str]) -> Result<()> {
    let status = wait("run cargo", cargo_command(arguments)).await?;
    if status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("cargo {} failed ({status})", arguments.join(" ")), "Its own words are above."))
}

pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(paths::checkout());
    for (name, _) in std::env::vars_os() {
        if CARGO_VARIABLES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Waits for a program with our terminal. It ends with us.
pub(crate) async fn wait(what: &str, command: Command) -> Result<ExitStatus> {
    let program = Path::new(command.get_program()).display().to_string();
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.status().await.or_cannot(|| format!("{what} ({program})"))
}
