//! Containers of version 2: chunks, each authentic by itself, and a tag over their number at the end (RFC 9580, 5.13.2).

use std::io::{self, Read};

use sequoia_openpgp::{
    crypto::aead::{SEIPv2Schedule, Schedule},
    types::{AEADAlgorithm, SymmetricAlgorithm},
};

use crate::{body::Body, judge::SharedProgress};

/// Of OCB and GCM.
const TAG_BYTES: usize = 16;

/// The packets in the chunks. They end only where the last tag is right.
pub(crate) struct Chunks<R> {
    body: Body<R>,
    cipher: SymmetricAlgorithm,
    mode: AEADAlgorithm,
    schedule: Option<SEIPv2Schedule>,
    chunk_bytes: usize,
    /// A chunk with its tag, and as many bytes more as the last tag has: only where these are there, the chunk is not the last.
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
            sealed: vec![0; chunk_bytes + 2 * TAG_BYTES],
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
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        self.sealed_bytes += self.body.fill(&mut self.sealed[self.sealed_bytes..])?;
        let ends = self.sealed_bytes < self.sealed.len();
        let chunk_end = self.sealed_bytes.checked_sub(TAG_BYTES).ok_or_else(broken)?;
        let bytes = match chunk_end {
            0 if ends => 0,
            _ => chunk_end.checked_sub(TAG_BYTES).filter(|bytes| *bytes > 0).ok_or_else(broken)?,
        };
        self.plain.resize(bytes, 0);
        self.start = 0;
        let schedule = self.schedule.as_ref().ok_or_else(broken)?;
        let (cipher, mode) = (self.cipher, self.mode);
        if bytes > 0 {
            schedule
                .chunk(self.index, &mut |key, nonce, ad| {
                    mode.context(cipher, key, ad, nonce)?.for_decryption()
                })
                .and_then(|mut context| context.decrypt_verify(&mut self.plain, &self.sealed[..chunk_end]))
                .map_err(|_| broken())?;
        }
        let (index, plain_bytes) = (self.index + u64::from(bytes > 0), self.plain_bytes + bytes as u64);
        if ends {
            schedule
                .finalizer(index, plain_bytes, &mut |key, nonce, ad| {
                    mode.context(cipher, key, ad, nonce)?.for_decryption()
                })
                .and_then(|mut context| {
                    context.decrypt_verify(&mut [], &self.sealed[chunk_end..self.sealed_bytes])
                })
                .map_err(|_| broken())?;
            self.state = State::Held;
            self.progress.get().integrity_held = true;
        }
        (self.index, self.plain_bytes) = (index, plain_bytes);
        self.sealed.copy_within(chunk_end..self.sealed_bytes, 0);
        self.sealed_bytes -= chunk_end;
        Ok(())
    }
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
