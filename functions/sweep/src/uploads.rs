//! Uploads that nobody ends, and rows of those that have ended.

use std::collections::HashSet;

use contract::{Folder, UploadId};
use exchange::Left;
use futures_util::{StreamExt, stream};
use sqlx::{FromRow, Row};
use store::receipts::{self, Entry};
use time::{Duration, OffsetDateTime};

use crate::{Error, Job};

/// Uploads in one transaction and one receipt; a tenant has at most as many that can go on.
const UPLOADS_PER_RECEIPT_MAX: i64 = 1000;
/// Multipart uploads, and tails, looked at in one run: those that can go on, and several times as many that crashes left.
const LISTED_MAX: usize = 5000;
/// A gateway changes an upload's row just before it completes it, and S3 takes a minute or two for that when it is slow, in all attempts. A row
/// that still stands after this was left by a crash.
const COMPLETED_AFTER: Duration = Duration::minutes(10);
/// The same for an upload that was renamed while it was under way: S3 has yet to copy it, up to 256 GiB.
const RENAMED_AFTER: Duration = Duration::hours(1);
/// Uploads whose parts and tails are deleted at once.
const DELETIONS_AT_ONCE: usize = 8;

/// A row that nobody has changed for some time.
#[derive(FromRow)]
struct Quiet {
    id: i64,
    name: String,
    begun_as: String,
    upload_id: Option<String>,
    started_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Quiet {
    fn left(&self) -> Left<'_> {
        let Self { name, begun_as, upload_id, started_at, .. } = self;
        Left { name, begun_as, upload_id: upload_id.as_deref(), begun_at: *started_at }
    }
}

struct Due {
    id: UploadId,
    begun_as: String,
    upload_id: Option<String>,
}

/// Ends uploads into Incoming that nobody has written to for as long as a file may stay there, and what crashes left without a row.
pub async fn expire(job: &Job<'_>) -> Result<(), Error> {
    let cutoff = job.settings.folder_cutoff(Folder::Incoming, job.now);
    while job.has_time() {
        let due = claim(job, cutoff).await?;
        if due.is_empty() {
            break;
        }
        end(job, cutoff, due).await?;
    }
    end_unrecorded(job, cutoff).await
}

/// Ends rows whose upload is over, though its gateway could not say so any more: they hide the complete file from the tenant, and its
/// control file from import.
pub async fn heal(job: &Job<'_>) -> Result<(), Error> {
    let quiet = quiet(job).await?;
    if quiet.is_empty() {
        return Ok(());
    }
    // One request tells of nearly all that can still go on.
    let alive = job.files.unfinished_uploads(LISTED_MAX).await?;
    let alive: HashSet<&str> = alive.iter().map(exchange::Unfinished::upload_id).collect();
    let mut doubtful = quiet;
    doubtful.retain(|row| row.upload_id.as_deref().is_none_or(|id| !alive.contains(id)));
    let mut healed = stream::iter(doubtful)
        .map(|row| async move { end_if_over(job, &row).await })
        .buffer_unordered(DELETIONS_AT_ONCE);
    let (mut count, mut failed) = (0, None);
    while let Some(result) = healed.next().await {
        match result {
            Ok(ended) => count += usize::from(ended),
            Err(error) => failed = Some(error),
        }
    }
    if count > 0 {
        tracing::warn!(tenant = %job.tenant, count, "rows of uploads that were over are ended");
    }
    failed.map_or(Ok(()), Err)
}

/// An upload without parts can only be over when there is a file; of the others S3 knows.
async fn quiet(job: &Job<'_>) -> Result<Vec<Quiet>, Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query_as(
        "SELECT id, name, begun_as, upload_id, started_at, updated_at FROM broadcast.uploads AS u
         WHERE tenant_id = $1 AND updated_at <= CASE WHEN name = begun_as THEN $2::timestamptz ELSE $3 END
           AND (upload_id IS NOT NULL OR EXISTS (SELECT FROM broadcast.files AS f
                WHERE f.tenant_id = $1 AND f.folder = $4 AND f.name = u.name AND f.size >= u.size))
         ORDER BY updated_at DESC LIMIT $5",
    )
    .bind(job.tenant.0)
    .bind(job.now - COMPLETED_AFTER)
    .bind(job.now - RENAMED_AFTER)
    .bind(Folder::Incoming.name())
    .bind(UPLOADS_PER_RECEIPT_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows)
}

/// The row goes only as it was seen: not when somebody has gone on with the upload, or with the name, meanwhile.
async fn end_if_over(job: &Job<'_>, row: &Quiet) -> Result<bool, Error> {
    if !job.has_time() || !job.files.is_over(&row.left()).await? {
        return Ok(false);
    }
    job.files.give_name(&row.left()).await?;
    let mut tx = job.tx().await?;
    let ended = sqlx::query(
        "DELETE FROM broadcast.uploads
         WHERE tenant_id = $1 AND id = $2 AND updated_at = $3 AND name = $4 AND upload_id IS NOT DISTINCT FROM $5",
    )
    .bind(job.tenant.0)
    .bind(row.id)
    .bind(row.updated_at)
    .bind(&row.name)
    .bind(&row.upload_id)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    // The row would hide the file, so it goes first. A tail without a row goes with what is over.
    job.files.delete_upload_tail(UploadId(row.id)).await?;
    Ok(true)
}

/// Takes what is over from whoever may hold it: a session that still has it open fails at its next part, in words. The time is asked for again when a
/// row's lock comes: whoever had it may have gone on with the upload.
async fn claim(job: &Job<'_>, cutoff: OffsetDateTime) -> Result<Vec<Due>, Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query(
        "UPDATE broadcast.uploads SET holder = gen_random_uuid() WHERE id IN (
             SELECT id FROM broadcast.uploads WHERE tenant_id = $1 AND updated_at <= $2 ORDER BY updated_at LIMIT $3)
         AND updated_at <= $2 RETURNING id, begun_as, upload_id",
    )
    .bind(job.tenant.0)
    .bind(cutoff)
    .bind(UPLOADS_PER_RECEIPT_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows
        .iter()
        .map(|row| Due {
            id: UploadId(row.get("id")),
            begun_as: row.get("begun_as"),
            upload_id: row.get("upload_id"),
        })
        .collect())
}

/// Parts and tails go first, then the rows. After an error the receipt of the rest is still written.
async fn end(job: &Job<'_>, cutoff: OffsetDateTime, due: Vec<Due>) -> Result<(), Error> {
    let mut ends = stream::iter(due)
        .map(|upload| async move { (upload.id, delete(job, &upload).await) })
        .buffer_unordered(DELETIONS_AT_ONCE);
    let (mut ended, mut failed) = (Vec::new(), None);
    while let Some((id, result)) = ends.next().await {
        match result {
            Ok(()) => ended.push(id.0),
            Err(error) => failed = Some(error),
        }
    }
    let mut tx = job.tx().await?;
    let ids: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM broadcast.uploads WHERE tenant_id = $1 AND id = ANY($2) AND updated_at <= $3 RETURNING id",
    )
    .bind(job.tenant.0)
    .bind(ended)
    .bind(cutoff)
    .fetch_all(&mut *tx)
    .await?;
    let count = ids.len();
    append(job, &mut tx, ids, count).await?;
    tx.commit().await?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

async fn delete(job: &Job<'_>, upload: &Due) -> Result<(), exchange::Error> {
    if let Some(upload_id) = &upload.upload_id {
        job.files.abort_upload(Folder::Incoming, &upload.begun_as, upload_id).await?;
    }
    job.files.delete_upload_tail(upload.id).await
}

/// Multipart uploads and tails without a row: of functions, and of a gateway that was killed between S3 and the database.
async fn end_unrecorded(job: &Job<'_>, cutoff: OffsetDateTime) -> Result<(), Error> {
    let uploads = job.files.unfinished_uploads(LISTED_MAX).await?;
    let uploads: Vec<_> = uploads.into_iter().filter(|upload| upload.started <= cutoff).collect();
    let tails = job.files.upload_tails(LISTED_MAX).await?;
    let tails: Vec<_> = tails.into_iter().filter(|tail| tail.1 <= cutoff).map(|tail| tail.0).collect();
    if uploads.is_empty() && tails.is_empty() {
        return Ok(());
    }
    let mut tx = job.tx().await?;
    let recorded: Vec<(i64, Option<String>)> =
        sqlx::query_as("SELECT id, upload_id FROM broadcast.uploads WHERE tenant_id = $1")
            .bind(job.tenant.0)
            .fetch_all(&mut *tx)
            .await?;
    let (ids, upload_ids): (HashSet<i64>, HashSet<Option<String>>) = recorded.into_iter().unzip();
    let upload_ids: HashSet<&str> = upload_ids.iter().flatten().map(String::as_str).collect();
    let mut count = 0;
    for upload in uploads.iter().filter(|upload| !upload_ids.contains(upload.upload_id())) {
        job.files.abort(upload).await?;
        count += 1;
    }
    for tail in tails.into_iter().filter(|tail| !ids.contains(&tail.0)) {
        job.files.delete_upload_tail(tail).await?;
        count += 1;
    }
    append(job, &mut tx, Vec::new(), count).await?;
    Ok(tx.commit().await?)
}

async fn append(job: &Job<'_>, tx: &mut store::TenantTx, ids: Vec<i64>, count: usize) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    let rule = if job.settings.deleting {
        job.settings.folder_rule(Folder::Incoming)
    } else {
        format!("unfinished for {} hours", job.settings.folder_hours(Folder::Incoming))
    };
    let entry = Entry { what: "upload", ids, count: i64::try_from(count).unwrap_or(i64::MAX), rule };
    Ok(receipts::append(tx, job.tenant, job.now, vec![entry]).await?)
}
