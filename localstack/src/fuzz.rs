//! The fuzz targets of `tests/fuzz`, each for a bounded time. They are built by the pinned compiler, with coverage counters in everything that
//! is linked into them, and without cargo-fuzz.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};
use crate::paths;
use crate::run::{cargo_command, wait};

/// The binaries of `tests/fuzz/Cargo.toml`.
const TARGETS: [&str; 5] = ["sftp_path", "sftp_packet", "scp_line", "openpgp_message", "csv_to_copy"];
/// Seeds of `csv_to_copy` beside its own: all forms that imports are tested with.
const FORMS: (&str, &str) = ("csv_to_copy", "tests/forms/fixtures");
/// How long each one runs: long enough to try each seed in many ways, and all of them stay within minutes.
const SECONDS_EACH: u32 = 60;
/// One input that takes longer hangs: most take microseconds, and a message of `OpenPGP` below a millisecond.
const INPUT_SECONDS_MAX: u32 = 10;
/// What one process may hold: the runtime and its corpus take 100 MiB.
const MEMORY_MIB_MAX: u32 = 512;
/// Longest input that is tried; no limit of what is fuzzed is far above.
const INPUT_BYTES_MAX: u32 = 4096;
/// What cargo-fuzz tells the compiler on any platform: counters and compares, told to the fuzzer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds all targets and runs them one after the other. Whether none found anything.
pub async fn run() -> Result<bool> {
    eprintln!("Building the fuzz targets ...");
    let folder = paths::target().join("fuzz");
    // With a platform named, the flags are not for build scripts and macros, which nothing fuzzes.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build =
        cargo_command(&["build", "--release", "--bins", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    build.args(["--target", &platform]).arg("--target-dir").arg(&folder).env("RUSTFLAGS", FLAGS);
    if !wait("build the fuzz targets", build).await?.success() {
        return Ok(false);
    }
    let binaries = folder.join(platform).join("release");
    let mut well = true;
    for target in TARGETS {
        eprintln!("Fuzzing {target} for {SECONDS_EACH} seconds ...");
        well &= fuzz(&binaries.join(target), target, &folder).await?;
    }
    Ok(well)
}

async fn fuzz(binary: &Path, target: &str, folder: &Path) -> Result<bool> {
    let seeds = paths::checkout().join("tests/fuzz/corpus").join(target);
    // What an earlier run has found to be interesting is tried first.
    let corpus = made(folder.join("corpus").join(target))?;
    let crashes = made(folder.join("crashes").join(target))?;
    let mut command = Command::new(binary);
    command
        .arg(format!("-max_total_time={SECONDS_EACH}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .arg("-verbosity=0")
        .args([&corpus, &seeds]);
    if target == FORMS.0 {
        command.arg(paths::checkout().join(FORMS.1));
    }
    let again = binary.display();
    if wait("run a fuzz target", command).await?.success() {
        return Ok(true);
    }
    eprintln!("{target} failed. The input that it names above stays in {}.", crashes.display());
    eprintln!("To run it again: {again} <input>. Once it is mended, put it into {}.", seeds.display());
    Ok(false)
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
    Ok(folder)
}
