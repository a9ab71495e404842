//! OpenSSH's `sftp`, with its own choice of cipher: chacha20-poly1305, which all three servers have.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::{server::Server, workplace::Workplace};
use crate::Result;

fn sftp(server: &Server, place: &Workplace, tenant: usize) -> Command {
    let mut command = Command::new("sftp");
    command.args(["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]);
    command.args(["-P", &server.port.to_string()]).arg("-i").arg(place.path("client"));
    command.arg("-b").arg("-").arg(format!("{}@127.0.0.1", server.login(tenant)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a batch to its end; what it printed.
pub async fn batch(server: &Server, place: &Workplace, tenant: usize, lines: &str) -> Result<String> {
    let mut child = sftp(server, place, tenant).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    stdin.write_all(lines.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("sftp with {} failed: {said}", server.peer.name()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs one batch in each of several sessions at once; how long all took.
pub async fn batches(
    server: &Server,
    place: &Workplace,
    tenants: usize,
    batches: &[String],
) -> Result<Duration> {
    let begun = Instant::now();
    let mut running = Vec::new();
    for (session, lines) in batches.iter().enumerate() {
        let mut child = sftp(server, place, session % tenants).spawn()?;
        let mut stdin = child.stdin.take().ok_or("no input")?;
        stdin.write_all(lines.as_bytes()).await?;
        running.push(child);
    }
    for child in running {
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("sftp with {} failed: {said}", server.peer.name()).into());
        }
    }
    Ok(begun.elapsed())
}

/// A session that has logged in and does nothing; ends when it is dropped.
pub async fn idle(server: &Server, place: &Workplace, tenant: usize) -> Result<Child> {
    let mut child = sftp(server, place, tenant).spawn()?;
    let stdin = child.stdin.as_mut().ok_or("no input")?;
    stdin.write_all(b"pwd\n").await?;
    let stdout = child.stdout.as_mut().ok_or("no output")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("Remote working directory") {
            return Ok(child);
        }
    }
    Err("an idle session ended".into())
}

/// Sizes of the files in a folder that is listed by `ls -ln`.
pub async fn sizes(server: &Server, place: &Workplace, tenant: usize) -> Result<Vec<u64>> {
    let listed = batch(server, place, tenant, &format!("ls -ln {}Incoming\n", server.root)).await?;
    let files = listed.lines().filter(|line| line.starts_with('-'));
    let size = |line: &str| line.split_whitespace().nth(4).and_then(|size| size.parse().ok());
    files.map(|line| size(line).ok_or_else(|| "an unreadable listing".into())).collect()
}
