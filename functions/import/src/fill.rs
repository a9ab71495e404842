//! The file -> the import's table, which nobody sees yet, and the report of its rejected rows.
//!
//! Three parties run at once: S3's body arrives, a blocking thread turns it into binary COPY, the connection sends that. Both seams are
//! bounded channels, so memory does not depend on the file.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use contract::Folder;
use fault::Code;
use store::{CampaignTx, Store, StoreError, recipients};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, interval_at},
};

use crate::{
    Error, Import,
    claim::Job,
    extract::{Extract, Progress, Table},
    plan::Plan,
    report, verdict,
};

/// Chunks of 256 KiB between the thread that encodes and the connection.
const CHUNKS_MAX: usize = 4;
/// How often the counters of a running import are written: whoever watches sees what is no older than two seconds, the write and the
/// answer included.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long the connection of an invocation that was killed may need to let the table go.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '10s'";

/// Reads the file into the import's table and commits that: what it held. When the customer has to mend something, the error has that
/// disposition, the table is not there, and the report, where rows were rejected, is.
pub async fn fill(function: &Import, job: &Job, plan: Plan) -> Result<Table, Error> {
    let download = match plan.files.read(Folder::Incoming, &job.file_name, Some(&job.etag)).await {
        Err(exchange::Error::Missing) => return Err(Error::Refused(report::file_missing(&job.file_name))),
        other => other?,
    };
    if let Some(notice) = verdict::of_size(&job.call, download.meta().size) {
        return Err(Error::Refused(notice));
    }
    let place = report::place(function, job).await?;
    let report = plan.files.upload(Folder::Invalids, &place.name());
    let mut tx = function.store.campaign(job.tenant, plan.campaign).await.map_err(|error| match error {
        StoreError::NoCampaign => Error::Refused(Code::CampaignEnded.into()),
        error => error.into(),
    })?;
    hold(&mut tx, job).await?;
    recipients::create(&mut tx, job.import).await?;

    let progress = Arc::new(Progress::default());
    let (chunks, received) = mpsc::channel(CHUNKS_MAX);
    let extract = Extract {
        function: function.clone(),
        tenant: job.tenant,
        campaign: plan.campaign,
        import: job.import,
        now: job.now,
        until: job.lease,
        call: job.call.clone(),
        terms: plan.terms,
        bytes: download.meta().size,
        report_encrypted: place.encrypted,
        progress: Arc::clone(&progress),
    };
    let file = download.into_blocking();
    let thread = spawn_blocking(move || extract.run(file, report, &chunks));
    let table = tokio::select! {
        table = copy(&mut tx, job, received, thread) => table?,
        never = show(&function.store, job, &progress) => match never {},
    };
    tx.commit().await?;
    Ok(table)
}

/// One transaction at a time fills or drops the table of an import, and only with the lease: one that lost it would drop what its successor
/// made.
pub async fn hold(tx: &mut CampaignTx, job: &Job) -> Result<(), Error> {
    sqlx::raw_sql(LOCK_WAIT).execute(&mut **tx).await?;
    recipients::lock(tx, job.import).await?;
    let held: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.imports WHERE id = $1 AND state = 'running' AND lease_until = $2)",
    )
    .bind(job.import.0)
    .bind(job.lease)
    .fetch_one(&mut **tx)
    .await?;
    if held { Ok(()) } else { Err(Error::LeaseLost) }
}

/// Sends what the thread encodes. The thread's own end decides whether the copy counts.
async fn copy(
    tx: &mut CampaignTx,
    job: &Job,
    mut chunks: mpsc::Receiver<Bytes>,
    thread: JoinHandle<Result<Table, Error>>,
) -> Result<Table, Error> {
    // The name comes from a typed id. Rows of a table made in the same transaction may be frozen at once: no later pass rewrites them.
    let table = job.import.table();
    let statement = format!("COPY {table} ({}) FROM STDIN (FORMAT binary, FREEZE)", recipients::COLUMNS);
    let mut copy = tx.copy_in_raw(&statement).await?;
    while let Some(chunk) = chunks.recv().await {
        copy.send(chunk).await?;
    }
    match thread.await.map_err(|_| Error::Broken)? {
        Ok(table) => {
            let stored = copy.finish().await?;
            let sent = table.imported;
            if stored == sent { Ok(table) } else { Err(Error::RowCount { sent, stored }) }
        }
        Err(error) => {
            // The transaction is given up with its connection's answer or without it.
            let _ = copy.abort("the file is refused").await;
            Err(error)
        }
    }
}

/// Writes the counters while the copy runs. They are for the eye alone: a write that fails is not an error of the import.
async fn show(store: &Store, job: &Job, progress: &Progress) -> Infallible {
    let mut ticks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        let _ = write_progress(store, job, progress).await;
    }
}

async fn write_progress(store: &Store, job: &Job, progress: &Progress) -> Result<(), Error> {
    let count = |counter: &AtomicU64| i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
    let mut tx = store.tenant(job.tenant).await?;
    sqlx::query("UPDATE broadcast.imports SET bytes_done = $3, rows = $4 WHERE id = $1 AND lease_until = $2")
        .bind(job.import.0)
        .bind(job.lease)
        .bind(count(&progress.bytes))
        .bind(count(&progress.rows))
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}
