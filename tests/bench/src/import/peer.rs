//! The peer: `psql \copy` of the file on the disk into a table of ten text columns, its own start included; encrypted, behind `gpg -d`,
//! packed, behind `gzip -d`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use localstack::Stack;
use tokio::process::Command;

use super::table::HEADER;
use crate::{Result, openpgp::Gpg};

/// Seconds.
pub async fn copy(stack: &Stack, path: &Path) -> Result<f64> {
    let begun = Instant::now();
    run(&mut psql(stack, &format!("\\copy peer FROM '{}' CSV HEADER", path.display()))).await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The same of what a command unwraps.
pub async fn unwrap_and_copy(stack: &Stack, mut unwrap: Command) -> Result<f64> {
    let begun = Instant::now();
    let mut unwrapping = unwrap.stdout(Stdio::piped()).spawn()?;
    let text: Stdio = unwrapping.stdout.take().ok_or("no output")?.try_into()?;
    run(psql(stack, "\\copy peer FROM pstdin CSV HEADER").stdin(text)).await?;
    if !unwrapping.wait().await?.success() {
        return Err("the file could not be unwrapped".into());
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// What opens the encrypted file.
pub fn decrypt(gpg: &Gpg, path: &Path) -> Command {
    gpg.command(&["--decrypt".into(), path.display().to_string()])
}

/// What unpacks the packed one.
pub fn unpack(path: &Path) -> Command {
    let mut gzip = Command::new("gzip");
    gzip.args(["--decompress", "--stdout"]).arg(path);
    gzip
}

/// An empty table, made before the clock runs.
pub async fn make_table(stack: &Stack) -> Result<()> {
    let columns = HEADER.replace(',', " text, ");
    let make = format!("DROP TABLE IF EXISTS peer; CREATE TABLE peer ({columns} text)");
    run(&mut psql(stack, &make)).await
}

/// What the next run is not to find.
pub async fn drop_table(stack: &Stack) -> Result<()> {
    run(&mut psql(stack, "DROP TABLE peer")).await
}

fn psql(stack: &Stack, command: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.env("PGOPTIONS", "-c client_min_messages=warning");
    psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", command]).arg(&stack.superuser_database_url);
    psql
}

async fn run(command: &mut Command) -> Result<()> {
    if command.status().await?.success() { Ok(()) } else { Err("psql failed".into()) }
}

/// The file as a customer encrypts it: gpg's usual way (AES-256, CFB with MDC), to the tenant's key.
pub async fn encrypt(gpg: &Gpg, recipient: &str, file: &Path) -> Result<PathBuf> {
    let encrypted = file.with_extension("csv.pgp");
    let args = ["--output", &encrypted.display().to_string(), "--compress-algo", "none", "-r", recipient];
    let mut args: Vec<String> = args.map(str::to_owned).into();
    args.extend(["--encrypt".to_owned(), file.display().to_string()]);
    gpg.run(&args).await?;
    Ok(encrypted)
}

/// The file packed as `gzip` does it without being told how.
pub async fn pack(file: &Path) -> Result<PathBuf> {
    run(Command::new("gzip").args(["--keep", "--force"]).arg(file)).await?;
    Ok(file.with_extension("csv.gz"))
}
