//! The one small transaction by which an import's rows are there.

use contract::{CampaignId, ImportId};
use fault::{Code, Notice};
use mail::AddressKey;
use sqlx::AssertSqlSafe;
use store::{CampaignTx, StoreError};

use crate::{Error, Import, again, claim::Job, extract::Table, reading::repeats::Repeated};

/// Memory for the hash table over the digests of one import, some millions of them; what is more spills to Postgres' own disk. To compile so
/// simple a statement to machine code costs more than it saves.
const SETTINGS: &str = "SET LOCAL work_mem = '128MB'; SET LOCAL jit = off";

/// Publishes the committed table, counting duplicates. Holds the campaign meanwhile: of two imports that end at once, the second counts
/// against the first, and no deletion begins in between.
pub async fn publish(
    function: &Import,
    job: &Job,
    campaign: CampaignId,
    table: &Table,
) -> Result<u64, Error> {
    let mut tx = function.store.campaign(job.tenant, campaign).await.map_err(|error| match error {
        StoreError::NoCampaign => Error::Refused(Code::CampaignEnded.into()),
        error => error.into(),
    })?;
    let open: bool =
        sqlx::query_scalar("SELECT state = 'open' FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE")
            .bind(campaign.0)
            .fetch_one(&mut *tx)
            .await?;
    if !open {
        return Err(Error::Refused(Code::CampaignEnded.into()));
    }
    if let Some(notice) =
        again::check(&mut tx, campaign, job.import, &job.call, &table.content_sha256).await?
    {
        return Err(Error::Refused(notice));
    }
    let duplicates = count_duplicates(&mut tx, job.import, table).await?;
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let published = sqlx::query(
        "UPDATE broadcast.imports
         SET state = 'published', header = $3, key_column = $4, rows = $5, imported = $6, rejected = $7, duplicates = $8,
             sha256 = $9, bytes_total = $10, bytes_done = $10, content_sha256 = $11, blank_counts = $12, blank_lines = $13
         WHERE id = $1 AND state = 'running' AND lease_until = $2",
    )
    .bind(job.import.0)
    .bind(job.lease)
    .bind(&table.columns.names)
    .bind(table.columns.key.and_then(|at| i32::try_from(at + 1).ok()))
    .bind(count(table.imported + table.rejected))
    .bind(count(table.imported))
    .bind(count(table.rejected))
    .bind(count(duplicates))
    .bind(&table.sha256)
    .bind(count(table.bytes))
    .bind(&table.content_sha256)
    .bind(&table.blanks.counts)
    .bind(&table.blanks.lines)
    .execute(&mut *tx)
    .await?;
    if published.rows_affected() != 1 {
        return Err(Error::LeaseLost);
    }
    tell_dialect(&mut tx, job.import, table).await?;
    if let Some(notice) = unchecked(table) {
        tell(&mut tx, job.import, &notice).await?;
    }
    tx.commit().await?;
    Ok(duplicates)
}

/// What the customer has to know of a check of domains that was given up.
fn unchecked(table: &Table) -> Option<Notice> {
    let checked = table.checked.as_ref().filter(|checked| checked.stopped && checked.unknown > 0)?;
    Some(Notice::new(Code::DomainsUnchecked).with("rows", checked.unknown))
}

async fn tell(tx: &mut CampaignTx, import: ImportId, notice: &Notice) -> Result<(), Error> {
    sqlx::query("UPDATE broadcast.imports SET reason_code = $2, reason = $3 WHERE id = $1")
        .bind(import.0)
        .bind(notice.code.slug())
        .bind(notice.words())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How the file was read: a person sees by it why its letters look as they do.
async fn tell_dialect(tx: &mut CampaignTx, import: ImportId, table: &Table) -> Result<(), Error> {
    sqlx::query("UPDATE broadcast.imports SET charset = $2, delimiter = $3 WHERE id = $1")
        .bind(import.0)
        .bind(table.charset)
        .bind(char::from(table.delimiter).to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Rows whose address stands in an earlier row, or in an import published before.
async fn count_duplicates(tx: &mut CampaignTx, import: ImportId, table: &Table) -> Result<u64, Error> {
    let earlier = store::recipients::published(tx).await?;
    match &table.repeated {
        Repeated::Rows(rows) if earlier.is_empty() => return Ok(*rows),
        Repeated::Among(addresses) if earlier.is_empty() => {
            sqlx::raw_sql(SETTINGS).execute(&mut **tx).await?;
            return count_repeats(tx, import, addresses).await;
        }
        _ => {}
    }
    sqlx::raw_sql(SETTINGS).execute(&mut **tx).await?;
    // Names from typed ids alone; never prepared by name.
    let new: i64 = sqlx::query_scalar(AssertSqlSafe(new_addresses_statement(import, &earlier)))
        .persistent(false)
        .fetch_one(&mut **tx)
        .await?;
    Ok(table.imported.saturating_sub(u64::try_from(new).map_err(|_| Error::Stored("count"))?))
}

/// The same for a campaign's first import, of which it is known which addresses may be repeated.
async fn count_repeats(tx: &mut CampaignTx, import: ImportId, repeated: &[AddressKey]) -> Result<u64, Error> {
    if repeated.is_empty() {
        return Ok(0);
    }
    let keys: Vec<&[u8]> = repeated.iter().map(|key| key.0.as_slice()).collect();
    let statement = format!(
        "SELECT coalesce(sum(rows - 1), 0)::bigint
         FROM (SELECT count(*) AS rows FROM {} WHERE address_key = ANY($1) GROUP BY address_key) AS repeated",
        import.table()
    );
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
        .persistent(false)
        .bind(keys)
        .fetch_one(&mut **tx)
        .await?;
    u64::try_from(count).map_err(|_| Error::Stored("count"))
}

fn new_addresses_statement(import: ImportId, earlier: &[ImportId]) -> String {
    let own = format!("SELECT DISTINCT address_key FROM {}", import.table());
    let tables: Vec<String> =
        earlier.iter().map(|import| format!("SELECT address_key FROM {}", import.table())).collect();
    if tables.is_empty() {
        return format!("SELECT count(*) FROM ({own}) own");
    }
    let before = tables.join(" UNION ALL ");
    format!(
        "SELECT count(*) FROM ({own}) own WHERE NOT EXISTS (SELECT FROM ({before}) before WHERE before.address_key = own.address_key)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_addresses_are_counted_against_all_earlier_imports() {
        assert_eq!(
            new_addresses_statement(ImportId(7), &[]),
            "SELECT count(*) FROM (SELECT DISTINCT address_key FROM recipients_7) own"
        );
        assert_eq!(
            new_addresses_statement(ImportId(7), &[ImportId(2), ImportId(5)]),
            "SELECT count(*) FROM (SELECT DISTINCT address_key FROM recipients_7) own WHERE NOT EXISTS \
             (SELECT FROM (SELECT address_key FROM recipients_2 UNION ALL SELECT address_key FROM recipients_5) before \
             WHERE before.address_key = own.address_key)"
        );
    }
}
