//! The ledger rows of a launch: one for each address that it mails, those of its seeds, and when each slice of them has its turn.

use contract::ImportId;
use sqlx::AssertSqlSafe;
use store::{CampaignTx, slices};
use time::{Duration, OffsetDateTime};

use crate::{Error, Place};

/// Slices have their turn in the order of their times: the seeds' one is first by this.
const BEFORE_OTHERS: Duration = Duration::seconds(1);

/// One row for each address of an import that the campaign has not mailed yet, in the order of the file; an address's first line counts.
///
/// The row of an address that no relay ever had stays the same, and comes over from the launch that is over: one that was cancelled, too late or
/// not to be made, or whose suppression has ended. Its attempts are counted on, because an outcome that comes late settles its own attempt alone.
pub(crate) async fn write_rows(
    tx: &mut CampaignTx,
    place: Place,
    import: ImportId,
    over: &[i64],
    now: OffsetDateTime,
) -> Result<(), Error> {
    let table = import.table();
    // Slices are joined with the table by line.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE INDEX IF NOT EXISTS {table}_line ON {table} (line); ANALYZE {table}"
    )))
    .execute(&mut **tx)
    .await?;
    let base = next_slice(tx, place).await?;
    // Suppressed rows are numbered apart, so that every slice is full of mails to make.
    let statement = format!(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, state, changed_at)
         SELECT $1, $2 + ((row_number() OVER (PARTITION BY suppressed ORDER BY line) - 1) / $3)::integer, $4, line, address_key,
                CASE WHEN suppressed THEN 'suppressed' ELSE 'pending' END, $5
         FROM (SELECT r.address_key, r.line, s.address_key IS NOT NULL AS suppressed
               FROM (SELECT DISTINCT ON (address_key) address_key, line FROM {table} ORDER BY address_key, line) r
               LEFT JOIN broadcast.suppressions s ON s.tenant_id = $6 AND s.address_key = r.address_key
               LEFT JOIN ledger l ON l.address_key = r.address_key AND NOT l.proof
               WHERE l.id IS NULL OR l.launch_id = ANY ($7)
                  AND (l.state IN ('cancelled', 'expired', 'failed') OR l.state = 'suppressed' AND s.address_key IS NULL)) r
         ORDER BY line
         ON CONFLICT (address_key) WHERE NOT proof DO UPDATE
         SET launch_id = $1, slice = excluded.slice, import_id = $4, line = excluded.line, state = excluded.state, reply = NULL, due_at = NULL,
             changed_at = $5
         WHERE ledger.state IN ('cancelled', 'expired', 'failed', 'suppressed')"
    );
    sqlx::query(AssertSqlSafe(statement))
        .persistent(false)
        .bind(place.launch.0)
        .bind(base)
        .bind(slices::MAILS_MAX)
        .bind(import.0)
        .bind(now)
        .bind(place.tenant.0)
        .bind(over)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Says when each slice has its turn: all now, or one after the other over the launch's pace.
pub(crate) async fn write_slices(
    tx: &mut CampaignTx,
    place: Place,
    slices: i32,
    paced_minutes: Option<i32>,
    now: OffsetDateTime,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO slices (launch_id, slice, state, due_at)
         SELECT $1, slice, 'waiting', $3 + make_interval(mins => $4) * slice / greatest($2 - 1, 1)
         FROM generate_series(0, $2 - 1) AS slice",
    )
    .bind(place.launch.0)
    .bind(slices)
    .bind(now)
    .bind(paced_minutes.unwrap_or(0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Has the campaign's seeds get the launch's mail, in a slice that has its turn first; says how many slices that makes. A launch that mails nobody
/// mails no seed.
pub(crate) async fn write_seeds(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
) -> Result<i32, Error> {
    tx.lock_proofs().await?;
    let seeds = sqlx::query(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, proof, state, changed_at)
         SELECT $1, $2, 0, line, address_key, true, 'pending', $3 FROM proof_recipients
         WHERE seed AND EXISTS (SELECT FROM ledger WHERE launch_id = $1 AND state = 'pending') ORDER BY line",
    )
    .bind(place.launch.0)
    .bind(slice)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if seeds.rows_affected() == 0 {
        return Ok(0);
    }
    sqlx::query("INSERT INTO slices (launch_id, slice, state, due_at) VALUES ($1, $2, 'waiting', $3)")
        .bind(place.launch.0)
        .bind(slice)
        .bind(now - BEFORE_OTHERS)
        .execute(&mut **tx)
        .await?;
    Ok(1)
}

/// The number after the launch's highest slice.
pub(crate) async fn next_slice(tx: &mut CampaignTx, place: Place) -> Result<i32, Error> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(slice) + 1, 0) FROM ledger WHERE launch_id = $1")
        .bind(place.launch.0)
        .fetch_one(&mut **tx)
        .await?)
}
