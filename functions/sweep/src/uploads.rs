//! Uploads that nobody ends.

use std::collections::HashSet;

use contract::{Folder, UploadId};
use futures_util::{StreamExt, stream};
use sqlx::Row;
use time::OffsetDateTime;

use crate::{
    Error, Job,
    receipts::{self, Entry},
};

/// Uploads in one transaction and one receipt; a tenant has at most as many that can go on.
const UPLOADS_PER_RECEIPT_MAX: i64 = 1000;
/// Multipart uploads, and tails, looked at in one run: those that can go on, and several times as many that crashes left.
const LISTED_MAX: usize = 5000;
/// Uploads whose parts and tails are deleted at once.
const DELETIONS_AT_ONCE: usize = 8;

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

/// Takes what is over from whoever may hold it: a session that still has it open fails at its next part, in words.
async fn claim(job: &Job<'_>, cutoff: OffsetDateTime) -> Result<Vec<Due>, Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query(
        "UPDATE broadcast.uploads SET holder = gen_random_uuid() WHERE id IN (
             SELECT id FROM broadcast.uploads WHERE tenant_id = $1 AND updated_at <= $2 ORDER BY updated_at LIMIT $3)
         RETURNING id, begun_as, upload_id",
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
    let rule = format!("unfinished for {} hours", job.settings.folder_hours(Folder::Incoming));
    let entry = Entry { what: "upload", ids, count: i64::try_from(count).unwrap_or(i64::MAX), rule };
    Ok(receipts::append(tx, job.tenant, job.now, vec![entry]).await?)
}
