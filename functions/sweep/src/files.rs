//! Files past their folder's hours.

use contract::Folder;
use futures_util::{StreamExt, stream};
use sqlx::Row;
use store::receipts::{self, Entry};
use time::OffsetDateTime;

use crate::{Error, Job};

/// Files in one transaction and one receipt.
const FILES_PER_RECEIPT_MAX: i64 = 500;
/// Deletions under way at once.
const DELETIONS_AT_ONCE: usize = 8;

struct File {
    id: i64,
    name: String,
    etag: String,
}

enum Fate {
    Deleted,
    /// Somebody else deleted it, or we did before a crash.
    Gone,
    /// Another file has its name: not the one that is over.
    Overwritten,
}

/// Deletes what is over in every folder, oldest first, as long as there is time.
pub async fn expire(job: &Job<'_>) -> Result<(), Error> {
    for folder in Folder::ALL {
        let cutoff = job.settings.folder_cutoff(folder, job.now);
        while job.has_time() {
            let due = due(job, folder, cutoff).await?;
            if due.is_empty() {
                break;
            }
            expire_batch(job, folder, cutoff, due).await?;
        }
    }
    forget_homeless_imports(job).await
}

async fn due(job: &Job<'_>, folder: Folder, cutoff: OffsetDateTime) -> Result<Vec<File>, Error> {
    let mut tx = job.tx().await?;
    let rows = sqlx::query(
        "SELECT id, name, etag FROM broadcast.files
         WHERE tenant_id = $1 AND folder = $2 AND arrived_at <= $3 AND (leased_until IS NULL OR leased_until <= $4)
         ORDER BY arrived_at LIMIT $5",
    )
    .bind(job.tenant.0)
    .bind(folder.name())
    .bind(cutoff)
    .bind(job.real_now)
    .bind(FILES_PER_RECEIPT_MAX)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows
        .iter()
        .map(|row| File { id: row.get("id"), name: row.get("name"), etag: row.get("etag") })
        .collect())
}

/// Deletes the objects, then writes rows and receipts of what was done. After an error the receipts of the rest are still written.
async fn expire_batch(
    job: &Job<'_>,
    folder: Folder,
    cutoff: OffsetDateTime,
    due: Vec<File>,
) -> Result<(), Error> {
    let mut fates = stream::iter(due)
        .map(|file| async move {
            let fate = delete(job, folder, cutoff, &file).await;
            (file, fate)
        })
        .buffer_unordered(DELETIONS_AT_ONCE);
    let (mut deleted, mut gone, mut failed) = (Vec::new(), Vec::new(), None);
    while let Some((file, fate)) = fates.next().await {
        match fate {
            Ok(Fate::Deleted) => deleted.push((file.id, file.etag)),
            Ok(Fate::Gone | Fate::Overwritten) => gone.push((file.id, file.etag)),
            Err(error) => failed = Some(error),
        }
    }
    let rule = job.settings.folder_rule(folder);
    let mut tx = job.tx().await?;
    let mut entries = Vec::new();
    for (what, files) in [("file", deleted), ("file_gone", gone)] {
        let ids = forget(&mut tx, files).await?;
        if !ids.is_empty() {
            let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
            entries.push(Entry { what, ids, count, rule: rule.clone() });
        }
    }
    receipts::append(&mut tx, job.tenant, job.now, entries).await?;
    tx.commit().await?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

async fn delete(
    job: &Job<'_>,
    folder: Folder,
    cutoff: OffsetDateTime,
    file: &File,
) -> Result<Fate, exchange::Error> {
    // A customer may send the same content once more, which no etag tells apart; its own hours have begun then. In the other folders a file's time is
    // that of its row.
    if folder == Folder::Incoming
        && job.files.head(folder, &file.name).await?.is_some_and(|stands| stands.modified > cutoff)
    {
        return Ok(Fate::Overwritten);
    }
    match job.files.delete(folder, &file.name, Some(&file.etag)).await {
        Ok(true) => Ok(Fate::Deleted),
        Ok(false) => Ok(Fate::Gone),
        // The new one has an event of its own, and the next listing knows it.
        Err(exchange::Error::Changed) => Ok(Fate::Overwritten),
        Err(error) => Err(error),
    }
}

/// Removes the rows that are still about the same file.
async fn forget(tx: &mut store::TenantTx, files: Vec<(i64, String)>) -> Result<Vec<i64>, Error> {
    let (ids, etags): (Vec<i64>, Vec<String>) = files.into_iter().unzip();
    let forgotten = sqlx::query_scalar(
        "DELETE FROM broadcast.files AS f USING unnest($1::bigint[], $2::text[]) AS over (id, etag)
         WHERE f.id = over.id AND f.etag = over.etag RETURNING f.id",
    )
    .bind(ids)
    .bind(etags)
    .fetch_all(&mut **tx)
    .await?;
    Ok(forgotten)
}

/// An import that found no campaign belongs to no lifetime; its row, which names the file, goes with the folder of refused files.
async fn forget_homeless_imports(job: &Job<'_>) -> Result<(), Error> {
    let mut tx = job.tx().await?;
    let ids: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM broadcast.imports
         WHERE tenant_id = $1 AND campaign_id IS NULL AND state = 'refused' AND coalesce(ended_at, created_at) <= $2 RETURNING id",
    )
    .bind(job.tenant.0)
    .bind(job.settings.folder_cutoff(Folder::Invalids, job.now))
    .fetch_all(&mut *tx)
    .await?;
    if !ids.is_empty() {
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let rule = job.settings.folder_rule(Folder::Invalids);
        let entry = Entry { what: "import", ids, count, rule };
        receipts::append(&mut tx, job.tenant, job.now, vec![entry]).await?;
    }
    Ok(tx.commit().await?)
}
