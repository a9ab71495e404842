//! Bridges between S3's async bodies and code that reads and writes with `std::io` on a blocking thread.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use crate::{Download, Error, Stored, Upload};

/// Chunks read ahead; one has up to some hundred kilobytes, as the connection gives them.
const READ_CHUNKS_MAX: usize = 8;
/// Chunks written ahead of the upload, which itself holds two parts.
const WRITE_CHUNKS_MAX: usize = 4;
/// What is gathered before it crosses the bridge.
const WRITE_CHUNK_BYTES: usize = 256 * 1024;

/// A download as `Read`. Its errors hold an [`Error`], which [`error_in`](crate::error_in) finds again.
pub struct BlockingRead {
    chunks: mpsc::Receiver<Result<Bytes, Error>>,
    current: Bytes,
    rest: u64,
    failed: bool,
}

impl BlockingRead {
    pub(crate) fn new(mut download: Download) -> Self {
        let (send, chunks) = mpsc::channel(READ_CHUNKS_MAX);
        let rest = download.length();
        tokio::spawn(async move {
            while let Some(chunk) = download.next().await.transpose() {
                let failed = chunk.is_err();
                if send.send(chunk).await.is_err() || failed {
                    break;
                }
            }
        });
        Self { chunks, current: Bytes::new(), rest, failed: false }
    }

    fn fail(&mut self, error: Error) -> io::Error {
        self.failed = true;
        error.into()
    }
}

impl Read for BlockingRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.failed {
                return Err(Error::Interrupted.into());
            }
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => {
                    self.rest = self.rest.saturating_sub(chunk.len() as u64);
                    self.current = chunk;
                }
                Some(Err(error)) => return Err(self.fail(error)),
                None if self.rest == 0 => return Ok(0),
                // The other side went away: this is not the end of the file.
                None => return Err(self.fail(Error::Interrupted)),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

enum Piece {
    Chunk(Bytes),
    End,
}

/// An upload as `Write`. Nothing appears before [`finish`](Self::finish); dropped without it, the upload is aborted.
pub struct BlockingWrite {
    pieces: mpsc::Sender<Piece>,
    outcome: Option<oneshot::Receiver<Result<Stored, Error>>>,
    buffer: BytesMut,
}

impl BlockingWrite {
    pub(crate) fn new(upload: Upload) -> Self {
        let (pieces, received) = mpsc::channel(WRITE_CHUNKS_MAX);
        let (answer, outcome) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(result) = pump(upload, received).await {
                let _ = answer.send(result);
            }
        });
        Self { pieces, outcome: Some(outcome), buffer: BytesMut::new() }
    }

    /// Completes the upload.
    pub fn finish(mut self) -> Result<Stored, Error> {
        self.send_buffer()?;
        // When the other side has gone, its outcome says why.
        let _ = self.pieces.blocking_send(Piece::End);
        self.wait()
    }

    fn send_buffer(&mut self) -> Result<(), Error> {
        let chunk = self.buffer.split().freeze();
        if chunk.is_empty() || self.pieces.blocking_send(Piece::Chunk(chunk)).is_ok() {
            return Ok(());
        }
        self.wait().and(Err(Error::Interrupted))
    }

    fn wait(&mut self) -> Result<Stored, Error> {
        let outcome = self.outcome.take().ok_or(Error::Interrupted)?;
        outcome.blocking_recv().unwrap_or(Err(Error::Interrupted))
    }
}

/// `None` when the writer went away without an end.
async fn pump(mut upload: Upload, mut pieces: mpsc::Receiver<Piece>) -> Option<Result<Stored, Error>> {
    loop {
        match pieces.recv().await {
            Some(Piece::Chunk(chunk)) => {
                if let Err(error) = upload.write(&chunk).await {
                    upload.abort().await;
                    return Some(Err(error));
                }
            }
            Some(Piece::End) => return Some(upload.complete().await),
            None => {
                upload.abort().await;
                return None;
            }
        }
    }
}

impl Write for BlockingWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_CHUNK_BYTES {
            self.send_buffer()?;
        }
        Ok(bytes.len())
    }

    /// Bytes become durable by [`finish`](Self::finish) alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
