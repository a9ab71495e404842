//! The S3 server without SFTP: what the crate `exchange` alone writes and reads, in a process of its own.

use std::{process::Stdio, time::Instant};

use contract::{Folder, TenantId};
use exchange::Exchange;
use localstack::Stack;
use runtime::{Clients, Config};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{
    server::environment,
    workplace::{Workplace, bucket, file_name},
};
use crate::{Result, s3::content};

/// What the process shall do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Work {
    pub tenants: usize,
    pub files: usize,
    pub bytes: u64,
}

/// Seconds that it took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Took {
    pub writing: f64,
    pub reading: f64,
}

/// Writes the files into every tenant's Incoming, then reads the last of them.
pub async fn run(stack: &Stack, place: &Workplace, endpoint: &str, work: Work) -> Result<Took> {
    let mut command = Command::new(std::env::current_exe()?);
    environment(&mut command, &place.database.url(stack), endpoint);
    command.arg("--s3-client").arg(serde_json::to_string(&work)?).stderr(Stdio::inherit());
    let output = command.output().await?;
    if !output.status.success() {
        return Err("the client of S3 failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process itself.
pub async fn child(work: &str) -> Result<()> {
    let work: Work = serde_json::from_str(work)?;
    let config = Config::from_env()?;
    let clients = Clients::new(&config).await;
    let exchange = Exchange::new(&clients.sdk, config.tenant_role_arn()?, config.spool_bucket()?);
    let begun = Instant::now();
    for tenant in 0..work.tenants {
        let files = exchange.tenant(TenantId(i64::try_from(tenant)? + 1), &bucket(tenant)).await?;
        for number in 0..work.files {
            let (mut upload, mut offset) = (files.upload(Folder::Incoming, &file_name(number)), 0);
            while offset < work.bytes {
                let chunk = content(offset, work.bytes - offset);
                upload.write(&chunk).await?;
                offset += chunk.len() as u64;
            }
            upload.complete().await?;
        }
    }
    let writing = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let files = exchange.tenant(TenantId(1), &bucket(0)).await?;
    let mut download = files.read(Folder::Incoming, &file_name(work.files - 1), None).await?;
    let mut read = 0;
    while let Some(chunk) = download.next().await? {
        read += chunk.len() as u64;
    }
    if read != work.bytes {
        return Err("S3 has lost something".into());
    }
    println!("{}", serde_json::to_string(&Took { writing, reading: begun.elapsed().as_secs_f64() })?);
    Ok(())
}
