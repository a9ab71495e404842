//! Containers of version 2: chunks, each authentic by itself, and a tag over their number at the end (RFC 9580, 5.13.2).

use std::{
    io::{self, Read},
    thread,
};

use sequoia_openpgp::{
    crypto::aead::{SEIPv2Schedule, Schedule},
    types::{AEADAlgorithm, SymmetricAlgorithm},
};

use crate::{body::Body, judge::SharedProgress};

/// Of OCB and GCM.
const TAG_BYTES: usize = 16;

/// Opened at once. Sequoia writes chunks of 4 KiB, for which a thread each would be too much.
const BATCH_BYTES: usize = 1024 * 1024;

/// From so many bytes on a second thread is worth its start.
const SHARED_BYTES_MIN: usize = 256 * 1024;

/// The packets in the chunks. They end only where the last tag is right.
pub(crate) struct Chunks<R> {
    body: Body<R>,
    cipher: SymmetricAlgorithm,
    mode: AEADAlgorithm,
    schedule: Option<SEIPv2Schedule>,
    chunk_bytes: usize,
    /// Chunks with their tags, and as many bytes more as the last tag has: only where these are there, none of the chunks is the last.
    sealed: Vec<u8>,
    sealed_bytes: usize,
    plain: Vec<u8>,
    start: usize,
    index: u64,
    plain_bytes: u64,
    state: State,
    progress: SharedProgress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Held,
    Broken,
}

impl<R: Read> Chunks<R> {
    pub(crate) fn new(
        body: Body<R>,
        cipher: SymmetricAlgorithm,
        mode: AEADAlgorithm,
        chunk_bytes: usize,
        progress: SharedProgress,
    ) -> Self {
        Self {
            body,
            cipher,
            mode,
            schedule: None,
            chunk_bytes,
            sealed: Vec::new(),
            sealed_bytes: 0,
            plain: Vec::new(),
            start: 0,
            index: 0,
            plain_bytes: 0,
            state: State::Reading,
            progress,
        }
    }

    pub(crate) const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Opens the first chunk. With another schedule it may be tried again.
    pub(crate) fn begin(&mut self, schedule: SEIPv2Schedule) -> io::Result<()> {
        self.schedule = Some(schedule);
        self.advance()
    }

    fn advance(&mut self) -> io::Result<()> {
        let (sealed_chunk, batch) = (self.chunk_bytes + TAG_BYTES, self.batch());
        let wanted = batch * sealed_chunk + TAG_BYTES;
        self.sealed.resize(wanted, 0);
        self.sealed_bytes += self.body.fill(&mut self.sealed[self.sealed_bytes..])?;
        let ends = self.sealed_bytes < wanted;
        let chunks_end = self.sealed_bytes.checked_sub(TAG_BYTES).ok_or_else(broken)?;
        let (sealed, last_tag) = self.sealed[..self.sealed_bytes].split_at(chunks_end);
        let chunks = chunks_end.div_ceil(sealed_chunk);
        let bytes = chunks_end.checked_sub(chunks * TAG_BYTES).ok_or_else(broken)?;
        self.plain.resize(bytes, 0);
        self.start = 0;
        let opener = Opener {
            cipher: self.cipher,
            mode: self.mode,
            schedule: self.schedule.as_ref().ok_or_else(broken)?,
            chunk_bytes: self.chunk_bytes,
        };
        opener.open_all(self.index, sealed, &mut self.plain)?;
        let (index, plain_bytes) = (self.index + chunks as u64, self.plain_bytes + bytes as u64);
        if ends {
            opener.open_end(index, plain_bytes, last_tag)?;
            self.state = State::Held;
            self.progress.get().integrity_held = true;
        }
        (self.index, self.plain_bytes) = (index, plain_bytes);
        self.sealed.copy_within(chunks_end..self.sealed_bytes, 0);
        self.sealed_bytes -= chunks_end;
        Ok(())
    }

    /// How many chunks are opened at once. The first one alone, for it tells whether the session key is right.
    fn batch(&self) -> usize {
        if self.index == 0 { 1 } else { (BATCH_BYTES / self.chunk_bytes).max(1) }
    }
}

#[derive(Clone, Copy)]
struct Opener<'s> {
    cipher: SymmetricAlgorithm,
    mode: AEADAlgorithm,
    schedule: &'s SEIPv2Schedule,
    chunk_bytes: usize,
}

impl Opener<'_> {
    /// All chunks, on two threads where they are many.
    fn open_all(self, index: u64, sealed: &[u8], plain: &mut [u8]) -> io::Result<()> {
        let chunks = sealed.len().div_ceil(self.chunk_bytes + TAG_BYTES);
        if chunks < 2 || plain.len() < SHARED_BYTES_MIN {
            return self.open_chunks(index, sealed, plain);
        }
        let half = chunks / 2;
        let (sealed_first, sealed_rest) = sealed.split_at(half * (self.chunk_bytes + TAG_BYTES));
        let (plain_first, plain_rest) = plain.split_at_mut(half * self.chunk_bytes);
        thread::scope(|scope| {
            let first = scope.spawn(move || self.open_chunks(index, sealed_first, plain_first));
            let rest = self.open_chunks(index + half as u64, sealed_rest, plain_rest);
            first.join().map_err(|_| broken())?.and(rest)
        })
    }

    fn open_chunks(self, index: u64, sealed: &[u8], plain: &mut [u8]) -> io::Result<()> {
        let mut plain = plain.chunks_mut(self.chunk_bytes);
        for (index, chunk) in (index..).zip(sealed.chunks(self.chunk_bytes + TAG_BYTES)) {
            // A chunk of nothing but its tag is no chunk.
            let plain = plain.next().ok_or_else(broken)?;
            if chunk.len() != plain.len() + TAG_BYTES {
                return Err(broken());
            }
            self.schedule
                .chunk(index, &mut |key, nonce, ad| {
                    self.mode.context(self.cipher, key, ad, nonce)?.for_decryption()
                })
                .and_then(|mut context| context.decrypt_verify(plain, chunk))
                .map_err(|_| broken())?;
        }
        Ok(())
    }

    fn open_end(self, chunks: u64, bytes: u64, tag: &[u8]) -> io::Result<()> {
        self.schedule
            .finalizer(chunks, bytes, &mut |key, nonce, ad| {
                self.mode.context(self.cipher, key, ad, nonce)?.for_decryption()
            })
            .and_then(|mut context| context.decrypt_verify(&mut [], tag))
            .map_err(|_| broken())
    }
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<R: Read> Read for Chunks<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = buf.len().min(self.plain.len() - self.start);
            if n > 0 || buf.is_empty() {
                buf[..n].copy_from_slice(&self.plain[self.start..self.start + n]);
                self.start += n;
                return Ok(n);
            }
            match self.state {
                State::Held => return Ok(0),
                State::Broken => return Err(io::ErrorKind::InvalidData.into()),
                State::Reading => {
                    let advanced = self.advance();
                    if advanced.is_err() {
                        self.state = State::Broken;
                        self.plain.clear();
                        self.start = 0;
                    }
                    advanced?;
                }
            }
        }
    }
}
