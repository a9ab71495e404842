//! The index of the File Exchange, repaired from listings: what an event would have told, had it come.

use contract::Folder;
use exchange::Entry;
use store::TenantTx;

use crate::{Error, Job, lifetime};

/// Whether this run takes the day's look. Of an account that is being deleted nothing must be overlooked.
pub fn is_due(job: &Job<'_>) -> bool {
    job.settings.deleting || lifetime::listing_is_due(job.listed_at, job.now)
}

/// Lists every folder once a day. Incoming is listed in every run anyway.
pub async fn repair_daily(job: &Job<'_>) -> Result<(), Error> {
    if !is_due(job) {
        return Ok(());
    }
    for folder in Folder::ALL {
        if folder != Folder::Incoming {
            repair(job, folder).await?;
        }
    }
    let mut tx = job.tx().await?;
    sqlx::query("UPDATE broadcast.tenants SET listed_at = greatest(listed_at, $2) WHERE id = $1")
        .bind(job.tenant.0)
        .bind(job.now.min(job.real_now))
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Makes the index of a folder agree with what stands there, page by page.
///
/// Both are in the order of bytes (so is the column in the database), so a page answers for every name between the last one before it and its own last one.
pub async fn repair(job: &Job<'_>, folder: Folder) -> Result<(), Error> {
    let newest = newest_row(job, folder).await?;
    let mut listing = job.files.list(folder);
    let mut page = listing.next().await?;
    let mut after = String::new();
    let (mut added, mut removed) = (0, 0);
    while let Some(this) = page {
        page = listing.next().await?;
        let last = this.files.last().map(|entry| entry.name.clone());
        // The last page answers for all names that follow.
        let to = if page.is_some() { last.clone() } else { None };
        let mut tx = job.tx().await?;
        added += upsert(&mut tx, folder, &this.files).await?;
        removed += remove(job, &mut tx, folder, &this.files, (&after, to.as_deref()), newest).await?;
        tx.commit().await?;
        after = last.unwrap_or(after);
    }
    if added + removed > 0 {
        tracing::info!(tenant = %job.tenant, %folder, added, removed, "the index was repaired");
    }
    Ok(())
}

/// Rows above came after the listing was begun: it cannot tell of them.
async fn newest_row(job: &Job<'_>, folder: Folder) -> Result<i64, Error> {
    let mut tx = job.tx().await?;
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(id) FROM broadcast.files WHERE tenant_id = $1 AND folder = $2")
            .bind(job.tenant.0)
            .bind(folder.name())
            .fetch_one(&mut *tx)
            .await?;
    Ok(newest.unwrap_or(0))
}

async fn upsert(tx: &mut TenantTx, folder: Folder, files: &[Entry]) -> Result<u64, Error> {
    let column = |value: fn(&Entry) -> &str| files.iter().map(value).collect::<Vec<_>>();
    let sizes: Vec<i64> =
        files.iter().map(|entry| i64::try_from(entry.meta.size).unwrap_or(i64::MAX)).collect();
    let arrived: Vec<_> = files.iter().map(|entry| entry.meta.modified).collect();
    let changed = sqlx::query(
        "INSERT INTO broadcast.files AS known (tenant_id, folder, name, etag, size, arrived_at)
         SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::timestamptz[])
         ON CONFLICT (tenant_id, folder, name)
         DO UPDATE SET etag = excluded.etag, size = excluded.size, arrived_at = excluded.arrived_at, leased_until = NULL
         WHERE known.etag <> excluded.etag AND known.arrived_at < excluded.arrived_at",
    )
    .bind(tx.tenant().0)
    .bind(folder.name())
    .bind(column(|entry| &entry.name))
    .bind(column(|entry| &entry.meta.etag))
    .bind(sizes)
    .bind(arrived)
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected())
}

/// Removes rows between `after` (exclusive) and `to` (inclusive) that the page does not have. What is past its folder's hours stays:
/// perhaps a crash kept its receipt from being written.
async fn remove(
    job: &Job<'_>,
    tx: &mut TenantTx,
    folder: Folder,
    files: &[Entry],
    (after, to): (&str, Option<&str>),
    newest: i64,
) -> Result<u64, Error> {
    let names: Vec<&str> = files.iter().map(|entry| entry.name.as_str()).collect();
    let removed = sqlx::query(
        "DELETE FROM broadcast.files
           WHERE tenant_id = $1 AND folder = $2 AND id <= $3 AND arrived_at > $4
             AND name > $5 AND ($6::text IS NULL OR name <= $6)
             AND name <> ALL ($7::text[])",
    )
    .bind(tx.tenant().0)
    .bind(folder.name())
    .bind(newest)
    .bind(job.settings.folder_cutoff(folder, job.now))
    .bind(after)
    .bind(to)
    .bind(names)
    .execute(&mut **tx)
    .await?;
    Ok(removed.rows_affected())
}
