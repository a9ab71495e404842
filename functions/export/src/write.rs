//! From the rows of a planned export to files in Exports, in one pass: the database sends the rows of all kinds in their order, each with its
//! kind before it, and each goes to its kind's file.

use std::sync::Arc;

use contract::ImportId;
use exchange::TenantFiles;
use futures_util::StreamExt;
use store::{CampaignTx, StoreError};
use time::OffsetDateTime;

use crate::{
    Error,
    columns::{KINDS, Rows, query},
    file::{Writer, Written},
    keys::Keys,
    plan::Plan,
    shape::NotRows,
};

/// Times come out in one form.
const UTC: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'";
/// Up to so many imports each row is looked up among all of them; of more those are found first that the rows need.
const IMPORTS_FEW: usize = 8;

/// Writes one file for each kind of response that the plan holds; for every kind where files without rows are wanted.
pub async fn write(
    tx: &mut CampaignTx,
    files: &TenantFiles,
    keys: Option<&Arc<Keys>>,
    plan: &Plan,
    now: OffsetDateTime,
) -> Result<Vec<Written>, Error> {
    sqlx::raw_sql(UTC).execute(&mut **tx).await?;
    let imports = imports(tx, plan).await?;
    let rows =
        Rows { campaign: tx.campaign(), seq_from: plan.seq_from, seq_to: plan.seq_to, imports: &imports };
    let statement = format!("COPY ({}) TO STDOUT (FORMAT csv)", query(&plan.bundle.columns, rows));
    let begin = |kind| Writer::begin(files, keys.cloned(), &plan.bundle, kind, now);
    let mut writers: Vec<Writer> =
        if plan.bundle.empty { KINDS.into_iter().map(begin).collect() } else { Vec::new() };
    let mut sent = tx.copy_out_raw(&statement).await?;
    // The protocol has one message for each row.
    while let Some(row) = sent.next().await {
        let row = row?;
        let (kind, row) = split(&row)?;
        let at = writers.iter().position(|writer| writer.kind() == kind).unwrap_or_else(|| {
            writers.push(begin(kind));
            writers.len() - 1
        });
        writers[at].row(row).await?;
    }
    drop(sent);
    writers.sort_unstable_by_key(Writer::kind);
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.end().await?);
    }
    Ok(written)
}

/// The row's kind, and the fields of its file.
fn split(row: &[u8]) -> Result<(&'static str, &[u8]), NotRows> {
    let comma = memchr::memchr(b',', row).ok_or(NotRows)?;
    let (kind, fields) = row.split_at(comma);
    let kind = KINDS.into_iter().find(|known| known.as_bytes() == kind).ok_or(NotRows)?;
    Ok((kind, &fields[1..]))
}

/// The imports whose people may be among the plan's responses.
async fn imports(tx: &mut CampaignTx, plan: &Plan) -> Result<Vec<ImportId>, StoreError> {
    let imports = store::recipients::published(tx).await?;
    if imports.len() <= IMPORTS_FEW {
        return Ok(imports);
    }
    let imports: Vec<i64> = imports.into_iter().map(|import| import.0).collect();
    let needed: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT l.import_id FROM responses r JOIN ledger l ON l.id = r.mail_id
         WHERE r.seq > $1 AND r.seq <= $2 AND l.import_id = ANY($3) ORDER BY 1",
    )
    .bind(plan.seq_from)
    .bind(plan.seq_to)
    .bind(imports)
    .fetch_all(&mut **tx)
    .await?;
    Ok(needed.into_iter().map(ImportId).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_goes_to_the_file_of_its_kind() {
        assert_eq!(split(b"opened,human,\n"), Ok(("opened", &b"human,\n"[..])));
        for row in [&b""[..], b"opened", b"opened\n", b"read,human\n", b",human\n"] {
            assert_eq!(split(row), Err(NotRows), "{row:?}");
        }
    }
}
