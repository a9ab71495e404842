//! From the rows of a planned export to files in Exports: batches from the database, CSV, perhaps OpenPGP, digest, upload. At any time a few
//! batches and parts are in memory, however many rows there are.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use contract::{Folder, ImportId};
use exchange::{BlockingWrite, TenantFiles};
use sqlx::{AssertSqlSafe, Row as _, postgres::PgRow};
use store::{CampaignTx, StoreError};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::{
    Error,
    keys::Keys,
    plan::{File, Plan},
    row::{Row, writer},
};

/// Rows fetched at once; at about a kilobyte each, some megabytes.
const BATCH_ROWS: i64 = 5_000;
/// Batches between the database and the writer.
const BATCHES_AHEAD_MAX: usize = 2;

/// A file that was written, with what the index needs beside the record.
pub struct Written {
    /// As the export's record has it.
    pub file: File,
    /// As S3 has it.
    pub etag: String,
}

/// Writes one file for each kind of response that the plan holds, none without rows.
pub async fn write(
    tx: &mut CampaignTx,
    files: &TenantFiles,
    keys: Option<&Arc<Keys>>,
    plan: &Plan,
    now: OffsetDateTime,
) -> Result<Vec<Written>, Error> {
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT kind FROM responses WHERE seq > $1 AND seq <= $2 ORDER BY kind")
            .bind(plan.seq_from)
            .bind(plan.seq_to)
            .fetch_all(&mut **tx)
            .await?;
    let mut written = Vec::new();
    for kind in kinds {
        written.push(write_kind(tx, files, keys.cloned(), plan, kind, now).await?);
    }
    Ok(written)
}

async fn write_kind(
    tx: &mut CampaignTx,
    files: &TenantFiles,
    keys: Option<Arc<Keys>>,
    plan: &Plan,
    kind: String,
    now: OffsetDateTime,
) -> Result<Written, Error> {
    let name = plan.bundle.name(&kind);
    let upload = files.upload(Folder::Exports, &name).into_blocking();
    let (batches, received) = mpsc::channel(BATCHES_AHEAD_MAX);
    let writing = tokio::task::spawn_blocking(move || encode(received, upload, keys.as_deref(), now));
    let mut after = plan.seq_from;
    loop {
        let (rows, last) = fetch(tx, &kind, after, plan.seq_to).await?;
        let Some(last) = last else { break };
        after = last;
        // A writer that has gone says why below.
        if batches.send(Batch::Rows(rows)).await.is_err() {
            break;
        }
    }
    // Without this the writer drops what it has: an error above must not leave a file that looks whole.
    let _ = batches.send(Batch::End).await;
    let encoded = writing.await.map_err(|_| Error::Interrupted)??;
    let size = i64::try_from(encoded.stored.size).unwrap_or(i64::MAX);
    let file = File { name, kind, rows: encoded.rows, size, sha256: encoded.sha256 };
    Ok(Written { file, etag: encoded.stored.etag })
}

/// The next rows of a kind, and the number of the last of them.
async fn fetch(
    tx: &mut CampaignTx,
    kind: &str,
    after: i64,
    seq_to: i64,
) -> Result<(Vec<Row>, Option<i64>), StoreError> {
    let found = sqlx::query(
        "SELECT r.seq, r.at, r.kind, r.class, r.diagnostic, r.actor, l.import_id, l.line, links.url
         FROM responses AS r
         JOIN ledger AS l ON l.id = r.mail_id
         LEFT JOIN broadcast.launches AS launch ON launch.id = l.launch_id
         LEFT JOIN links ON links.template_id = launch.template_id AND links.number = r.link
         WHERE r.kind = $1 AND r.seq > $2 AND r.seq <= $3 ORDER BY r.seq LIMIT $4",
    )
    .bind(kind)
    .bind(after)
    .bind(seq_to)
    .bind(BATCH_ROWS)
    .fetch_all(&mut **tx)
    .await?;
    let mut people = recipients(tx, &found).await?;
    let rows = found.iter().map(|row| {
        let person = people.remove(&row.get::<i64, _>("seq"));
        let (address, recipient_key) = person.map_or((None, None), |(address, key)| (Some(address), key));
        Row {
            at: row.get("at"),
            kind: row.get("kind"),
            recipient_key,
            address,
            link: row.get("url"),
            class: row.get("class"),
            diagnostic: row.get("diagnostic"),
            actor: row.get("actor"),
        }
    });
    let rows = rows.collect();
    Ok((rows, found.last().map(|row| row.get("seq"))))
}

/// Address and the customer's key by the response's number. A person who was erased is absent.
async fn recipients(
    tx: &mut CampaignTx,
    responses: &[PgRow],
) -> Result<HashMap<i64, (String, Option<String>)>, StoreError> {
    let mut wanted: HashMap<i64, (Vec<i64>, Vec<i64>)> = HashMap::new();
    for row in responses {
        let (numbers, lines) = wanted.entry(row.get("import_id")).or_default();
        numbers.push(row.get("seq"));
        lines.push(row.get("line"));
    }
    let mut people = HashMap::with_capacity(responses.len());
    for (import, (numbers, lines)) in wanted {
        // The name comes from a typed id; such statements are not cached by name.
        let statement = format!(
            "SELECT seq, address, recipient_key FROM unnest($1::bigint[], $2::bigint[]) AS wanted (seq, line)
             JOIN {} AS r ON r.line = wanted.line",
            ImportId(import).table()
        );
        let found = sqlx::query(AssertSqlSafe(statement))
            .persistent(false)
            .bind(numbers)
            .bind(lines)
            .fetch_all(&mut **tx)
            .await?;
        people.extend(found.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))));
    }
    Ok(people)
}

enum Batch {
    Rows(Vec<Row>),
    End,
}

struct Encoded {
    stored: exchange::Stored,
    sha256: String,
    rows: i64,
}

/// Runs on a blocking thread.
fn encode(
    mut batches: mpsc::Receiver<Batch>,
    upload: BlockingWrite,
    keys: Option<&Keys>,
    now: OffsetDateTime,
) -> Result<Encoded, Error> {
    let mut sink = Digesting { inner: upload, digest: Context::new(&SHA256) };
    let rows = match keys {
        None => lines(&mut batches, &mut sink)?,
        Some(keys) => {
            let mut sealed = openpgp::encrypt(&mut sink, &keys.recipients, keys.signer.as_ref(), now)?;
            let rows = lines(&mut batches, &mut sealed)?;
            sealed.finish()?;
            rows
        }
    };
    let sha256 = data_encoding::HEXLOWER.encode(sink.digest.finish().as_ref());
    Ok(Encoded { stored: sink.inner.finish()?, sha256, rows })
}

fn lines(batches: &mut mpsc::Receiver<Batch>, sink: impl Write) -> Result<i64, Error> {
    let mut csv = writer(sink)?;
    let mut count = 0;
    loop {
        match batches.blocking_recv() {
            Some(Batch::Rows(rows)) => {
                for row in &rows {
                    row.write(&mut csv)?;
                    count += 1;
                }
            }
            Some(Batch::End) => break,
            None => return Err(Error::Interrupted),
        }
    }
    csv.flush()?;
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
        let (batches, mut received) = mpsc::channel(1);
        drop(batches);
        assert!(matches!(lines(&mut received, Vec::new()), Err(Error::Interrupted)));
        let (batches, mut received) = mpsc::channel(1);
        batches.try_send(Batch::End).ok().unwrap();
        assert_eq!(lines(&mut received, Vec::new()).unwrap(), 0);
    }
}
