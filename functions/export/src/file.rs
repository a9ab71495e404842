//! One file under way: rows shaped, perhaps sealed, digested and uploaded, by a thread of its own. A few chunks and parts are in memory,
//! however many rows there are.

use std::{
    io::{self, Write},
    mem,
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use contract::Folder;
use exchange::{BlockingWrite, TenantFiles};
use time::OffsetDateTime;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Error,
    keys::Keys,
    plan::{Bundle, File},
    shape::Shape,
};

/// Whole rows that are handed over at once: more saves nothing, less costs a switch of threads for every few rows.
const CHUNK_BYTES: usize = 256 << 10;
/// What a chunk takes at once, so that its last row seldom moves it.
const CHUNK_CAPACITY: usize = CHUNK_BYTES + CHUNK_BYTES / 4;
/// Chunks between the database and the file's thread.
const CHUNKS_AHEAD_MAX: usize = 4;

/// A file that was written, with what the index needs beside the record.
pub struct Written {
    /// As the export's record has it.
    pub file: File,
    /// As S3 has it.
    pub etag: String,
}

/// Takes the rows of one kind. Dropped before its [`end`](Self::end) it leaves no file: an error elsewhere must not leave one that looks whole.
pub struct Writer {
    name: String,
    kind: &'static str,
    chunk: Vec<u8>,
    chunks: mpsc::Sender<Chunk>,
    writing: JoinHandle<Result<Encoded, Error>>,
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

impl Writer {
    /// Begins the bundle's file for one kind of response.
    pub fn begin(
        files: &TenantFiles,
        keys: Option<Arc<Keys>>,
        bundle: &Bundle,
        kind: &'static str,
        now: OffsetDateTime,
    ) -> Self {
        let name = bundle.name(kind);
        let upload = files.upload(Folder::Exports, &name).into_blocking();
        let shape = Shape::new(&bundle.columns);
        let (chunks, received) = mpsc::channel(CHUNKS_AHEAD_MAX);
        let writing =
            tokio::task::spawn_blocking(move || encode(received, &shape, upload, keys.as_deref(), now));
        Self { name, kind, chunk: Vec::with_capacity(CHUNK_CAPACITY), chunks, writing }
    }

    /// Which rows are for it.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Takes a whole row, as the database sends it.
    pub async fn row(&mut self, row: &[u8]) -> Result<(), Error> {
        self.chunk.extend_from_slice(row);
        if self.chunk.len() < CHUNK_BYTES {
            return Ok(());
        }
        let full = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_CAPACITY));
        self.send(Chunk::Rows(full)).await
    }

    /// The whole file, stored.
    pub async fn end(mut self) -> Result<Written, Error> {
        let rest = mem::take(&mut self.chunk);
        self.send(Chunk::Rows(rest)).await?;
        self.send(Chunk::End).await?;
        let Encoded { stored, sha256, rows } = self.writing.await.map_err(|_| Error::Interrupted)??;
        let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
        let file = File { name: self.name, kind: self.kind.to_owned(), rows, size, sha256 };
        Ok(Written { file, etag: stored.etag })
    }

    /// A thread that has gone says why by itself.
    async fn send(&mut self, chunk: Chunk) -> Result<(), Error> {
        if self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        (&mut self.writing).await.map_err(|_| Error::Interrupted)?.and(Err(Error::Interrupted))
    }
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
