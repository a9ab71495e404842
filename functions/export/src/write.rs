//! From the rows of a planned export to files in Exports: Postgres' CSV, shaped, perhaps OpenPGP, digest, upload. At any time a few chunks and
//! parts are in memory, however many rows there are.

use std::{
    io::{self, Write},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use contract::{Folder, ImportId};
use exchange::{BlockingWrite, TenantFiles};
use futures_util::StreamExt;
use store::{CampaignTx, StoreError};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::{
    Error,
    columns::{KINDS, Rows, query},
    keys::Keys,
    plan::{File, Plan},
    shape::Shape,
};

/// Whole rows that are handed over at once: more saves nothing, less costs a switch of threads for every few rows.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks between the database and the writer.
const CHUNKS_AHEAD_MAX: usize = 4;
/// Times come out in one form.
const UTC: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'";
/// Up to so many imports each row is looked up among all of them; of more those are found first that the rows need.
const IMPORTS_FEW: usize = 8;

/// A file that was written, with what the index needs beside the record.
pub struct Written {
    /// As the export's record has it.
    pub file: File,
    /// As S3 has it.
    pub etag: String,
}

/// Writes one file for each kind of response that the plan holds; for every kind where files without rows are wanted.
pub async fn write(
    tx: &mut CampaignTx,
    files: &TenantFiles,
    keys: Option<&Arc<Keys>>,
    plan: &Plan,
    now: OffsetDateTime,
) -> Result<Vec<Written>, Error> {
    sqlx::raw_sql(UTC).execute(&mut **tx).await?;
    let found: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT kind FROM responses WHERE seq > $1 AND seq <= $2")
            .bind(plan.seq_from)
            .bind(plan.seq_to)
            .fetch_all(&mut **tx)
            .await?;
    let imports = imports(tx, plan).await?;
    let mut written = Vec::new();
    for kind in KINDS {
        if plan.bundle.empty || found.iter().any(|found| found == kind) {
            written.push(write_kind(tx, files, keys.cloned(), plan, kind, &imports, now).await?);
        }
    }
    Ok(written)
}

/// The imports whose people may be among the plan's responses.
async fn imports(tx: &mut CampaignTx, plan: &Plan) -> Result<Vec<ImportId>, StoreError> {
    let mut imports: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished') ORDER BY id",
    )
    .bind(tx.campaign().0)
    .fetch_all(&mut **tx)
    .await?;
    if imports.len() > IMPORTS_FEW {
        imports = sqlx::query_scalar(
            "SELECT DISTINCT l.import_id FROM responses r JOIN ledger l ON l.id = r.mail_id
             WHERE r.seq > $1 AND r.seq <= $2 AND l.import_id = ANY($3) ORDER BY 1",
        )
        .bind(plan.seq_from)
        .bind(plan.seq_to)
        .bind(imports)
        .fetch_all(&mut **tx)
        .await?;
    }
    Ok(imports.into_iter().map(ImportId).collect())
}

async fn write_kind(
    tx: &mut CampaignTx,
    files: &TenantFiles,
    keys: Option<Arc<Keys>>,
    plan: &Plan,
    kind: &'static str,
    imports: &[ImportId],
    now: OffsetDateTime,
) -> Result<Written, Error> {
    let rows = Rows { campaign: tx.campaign(), kind, seq_from: plan.seq_from, seq_to: plan.seq_to, imports };
    let statement = format!("COPY ({}) TO STDOUT (FORMAT csv)", query(&plan.bundle.columns, rows));
    let name = plan.bundle.name(kind);
    let upload = files.upload(Folder::Exports, &name).into_blocking();
    let shape = Shape::new(&plan.bundle.columns);
    let (chunks, received) = mpsc::channel(CHUNKS_AHEAD_MAX);
    let writing = tokio::task::spawn_blocking(move || encode(received, &shape, upload, keys.as_deref(), now));
    copy(tx, &statement, &chunks).await?;
    // Without this the writer drops what it has: an error above must not leave a file that looks whole.
    let _ = chunks.send(Chunk::End).await;
    let encoded = writing.await.map_err(|_| Error::Interrupted)??;
    let size = i64::try_from(encoded.stored.size).unwrap_or(i64::MAX);
    let file = File { name, kind: kind.to_owned(), rows: encoded.rows, size, sha256: encoded.sha256 };
    Ok(Written { file, etag: encoded.stored.etag })
}

/// Hands over the rows as the database sends them. A writer that has gone says why by itself.
async fn copy(tx: &mut CampaignTx, statement: &str, chunks: &mpsc::Sender<Chunk>) -> Result<(), Error> {
    let mut rows = tx.copy_out_raw(statement).await?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
    while let Some(row) = rows.next().await {
        chunk.extend_from_slice(&row?);
        if chunk.len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4));
            if chunks.send(Chunk::Rows(full)).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = chunks.send(Chunk::Rows(chunk)).await;
    Ok(())
}

enum Chunk {
    /// Whole rows.
    Rows(Vec<u8>),
    End,
}

struct Encoded {
    stored: exchange::Stored,
    sha256: String,
    rows: i64,
}

/// Runs on a blocking thread.
fn encode(
    mut chunks: mpsc::Receiver<Chunk>,
    shape: &Shape,
    upload: BlockingWrite,
    keys: Option<&Keys>,
    now: OffsetDateTime,
) -> Result<Encoded, Error> {
    let mut sink = Digesting { inner: upload, digest: Context::new(&SHA256) };
    let rows = match keys {
        None => lines(&mut chunks, shape, &mut sink)?,
        Some(keys) => {
            let mut sealed = openpgp::encrypt(&mut sink, &keys.recipients, keys.signer.as_ref(), now)?;
            let rows = lines(&mut chunks, shape, &mut sealed)?;
            sealed.finish()?;
            rows
        }
    };
    let sha256 = data_encoding::HEXLOWER.encode(sink.digest.finish().as_ref());
    Ok(Encoded { stored: sink.inner.finish()?, sha256, rows })
}

fn lines(chunks: &mut mpsc::Receiver<Chunk>, shape: &Shape, mut sink: impl Write) -> Result<i64, Error> {
    let mut text = shape.header().into_bytes();
    let mut count = 0;
    loop {
        match chunks.blocking_recv() {
            Some(Chunk::Rows(rows)) => count += shape.rows(&rows, &mut text)?,
            Some(Chunk::End) => break,
            None => return Err(Error::Interrupted),
        }
        sink.write_all(&text)?;
        text.clear();
    }
    sink.write_all(&text)?;
    Ok(count)
}

/// Takes the digest of what is stored.
struct Digesting<W> {
    inner: W,
    digest: Context,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_the_stored_bytes() {
        let mut sink = Digesting { inner: Vec::new(), digest: Context::new(&SHA256) };
        sink.write_all(b"ab").unwrap();
        sink.write_all(b"c").unwrap();
        let digest = sink.digest.finish();
        assert_eq!(digest.as_ref()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(sink.inner, b"abc");
    }

    #[test]
    fn a_file_ends_only_where_its_end_was_said() {
        let shape = Shape::new(&[crate::columns::Column::Actor]);
        let (chunks, mut received) = mpsc::channel(2);
        chunks.try_send(Chunk::Rows(b"human\n".to_vec())).ok().unwrap();
        drop(chunks);
        assert!(matches!(lines(&mut received, &shape, Vec::new()), Err(Error::Interrupted)));
        let (chunks, mut received) = mpsc::channel(2);
        chunks.try_send(Chunk::Rows(b"human\n".to_vec())).ok().unwrap();
        chunks.try_send(Chunk::End).ok().unwrap();
        let mut file = Vec::new();
        assert_eq!(lines(&mut received, &shape, &mut file).unwrap(), 1);
        assert_eq!(file, b"actor\r\nhuman\r\n");
    }
}
