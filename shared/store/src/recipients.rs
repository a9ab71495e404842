//! The table of one import: fixed columns, whatever the file's header was.

use contract::ImportId;
use sqlx::AssertSqlSafe;

use crate::{CampaignTx, StoreError};

/// The columns in the order in which an import copies them.
///
/// `line` is the physical line on which the record begins, from 1. `recipient_key` is the customer's own. `fields` holds one field per
/// column of the header, in its order, as [`crate::fields`] packs them.
pub const COLUMNS: &str = "line, address, address_key, recipient_key, fields";

/// The imports of the campaign whose tables are complete, the oldest first.
pub async fn published(tx: &mut CampaignTx) -> Result<Vec<ImportId>, StoreError> {
    let imports: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished') ORDER BY id",
    )
    .bind(tx.campaign().0)
    .fetch_all(&mut **tx)
    .await?;
    Ok(imports.into_iter().map(ImportId).collect())
}

/// Keeps everybody else who would make or drop the import's table away until the transaction ends.
pub async fn lock(tx: &mut CampaignTx, import: ImportId) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(import.table())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Makes the import's table anew. Whatever an earlier attempt left under this name was never published.
pub async fn create(tx: &mut CampaignTx, import: ImportId) -> Result<(), StoreError> {
    let table = import.table();
    // Fields are compressed by column values of a kilobyte and more only; storage stays the default.
    let statement = format!(
        "DROP TABLE IF EXISTS {table};
         CREATE TABLE {table} (line bigint NOT NULL, address text NOT NULL, address_key bytea NOT NULL, recipient_key text,
                               fields bytea NOT NULL)"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **tx).await?;
    Ok(())
}

/// Drops the import's table, published or not.
pub async fn drop(tx: &mut CampaignTx, import: ImportId) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE IF EXISTS {}", import.table())))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
