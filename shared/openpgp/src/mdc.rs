//! Containers of version 1: AES in CFB mode, with SHA-1 of the plaintext at its end (RFC 9580, 5.13.1).
//!
//! That SHA-1 is no signature: who can choose the plaintext gains nothing from a collision, since the hash is encrypted with it. So the
//! processor's own instructions compute it, as in GnuPG.

use std::io::{self, Read};

use aws_lc_rs::{
    cipher::{AES_128, AES_192, AES_256, StreamingEncryptingKey, UnboundCipherKey},
    constant_time,
    digest::{Context, SHA1_FOR_LEGACY_USE_ONLY},
};
use sequoia_openpgp::{crypto::SessionKey, types::SymmetricAlgorithm};

use crate::{body::Body, judge::SharedProgress};

pub(crate) const BLOCK_BYTES: usize = 16;
/// A random block, and its last two octets again.
pub(crate) const PREFIX_BYTES: usize = BLOCK_BYTES + 2;

/// Decrypted at once; what is needed for it stays in the processor's cache.
const STEP_BYTES: usize = 64 * 1024;

/// The packet at the end: tag, length, SHA-1.
pub(crate) const MDC_HEAD: [u8; 2] = [0xD3, 0x14];
const MDC_BYTES: usize = 22;

/// AES in CFB mode, decrypting. The mode's own function does block after block; decryption needs no such chain, for the key stream is
/// the encryption of the ciphertext, one block late.
pub(crate) struct Cfb {
    aes: StreamingEncryptingKey,
    last: [u8; BLOCK_BYTES],
    late: Vec<u8>,
    stream: Vec<u8>,
}

impl Cfb {
    /// `None` where the key has not the cipher's length.
    pub(crate) fn new(algorithm: SymmetricAlgorithm, key: &SessionKey) -> Option<Self> {
        let algorithm = match algorithm {
            SymmetricAlgorithm::AES128 => &AES_128,
            SymmetricAlgorithm::AES192 => &AES_192,
            SymmetricAlgorithm::AES256 => &AES_256,
            _ => return None,
        };
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        // Never finished, so nothing is ever padded.
        let aes = StreamingEncryptingKey::ecb_pkcs7(key).ok()?;
        Some(Self { aes, last: [0; BLOCK_BYTES], late: vec![0; STEP_BYTES], stream: vec![0; STEP_BYTES] })
    }

    /// In place. Whole blocks, at most [`STEP_BYTES`], but for the last call.
    fn decrypt(&mut self, data: &mut [u8]) -> io::Result<()> {
        let padded = data.len().next_multiple_of(BLOCK_BYTES);
        if padded == 0 {
            return Ok(());
        }
        self.late[..BLOCK_BYTES].copy_from_slice(&self.last);
        self.late[BLOCK_BYTES..padded].copy_from_slice(&data[..padded - BLOCK_BYTES]);
        if let Some(last) = data.last_chunk() {
            self.last = *last;
        }
        self.aes
            .less_safe_update(&self.late[..padded], &mut self.stream[..padded])
            .map_err(|_| io::ErrorKind::InvalidData)?;
        for (byte, key) in data.iter_mut().zip(&self.stream) {
            *byte ^= key;
        }
        Ok(())
    }

    /// Itself, at the start, if the prefix of the message repeats itself, as under the right key.
    pub(crate) fn fitting(mut self, mut prefix: [u8; PREFIX_BYTES]) -> Option<Self> {
        self.decrypt(&mut prefix).ok()?;
        self.last = [0; BLOCK_BYTES];
        (prefix[BLOCK_BYTES - 2..BLOCK_BYTES] == prefix[BLOCK_BYTES..]).then_some(self)
    }
}

/// The packets before the SHA-1. They end only where it is right.
pub(crate) struct Mdc<R> {
    body: Body<R>,
    cipher: Cfb,
    hash: Context,
    /// What may be the SHA-1, from `start` on, then what was decrypted after it.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
    progress: SharedProgress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The buffer holds the encrypted prefix.
    New,
    Reading,
    Held,
    Broken,
}

impl<R: Read> Mdc<R> {
    pub(crate) fn new(
        body: Body<R>,
        prefix: [u8; PREFIX_BYTES],
        cipher: Cfb,
        progress: SharedProgress,
    ) -> Self {
        let mut buffer = vec![0; MDC_BYTES + STEP_BYTES];
        buffer[..PREFIX_BYTES].copy_from_slice(&prefix);
        let hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        Self { body, cipher, hash, buffer, start: 0, end: 0, state: State::New, progress }
    }

    /// How many bytes are known not to belong to the SHA-1.
    fn ready(&self) -> usize {
        (self.end - self.start).saturating_sub(MDC_BYTES)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        let kept = self.end - self.start;
        self.start = 0;
        let read = if self.state == State::New {
            PREFIX_BYTES + self.body.fill(&mut self.buffer[PREFIX_BYTES..STEP_BYTES])?
        } else {
            self.body.fill(&mut self.buffer[kept..kept + STEP_BYTES])?
        };
        self.end = kept + read;
        self.cipher.decrypt(&mut self.buffer[kept..self.end])?;
        if self.state == State::New {
            // A message too short for its SHA-1 must not have it compared with its own prefix.
            if self.end < PREFIX_BYTES + MDC_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.state = State::Reading;
            self.hash.update(&self.buffer[..self.ready()]);
            self.start = PREFIX_BYTES;
            return Ok(());
        }
        if read == 0 {
            return self.check();
        }
        self.hash.update(&self.buffer[..self.ready()]);
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        let (head, expected) = self.buffer[self.start..self.end].split_at(MDC_HEAD.len());
        let mut hash = self.hash.clone();
        hash.update(&MDC_HEAD);
        let right = constant_time::verify_slices_are_equal(hash.finish().as_ref(), expected).is_ok();
        if head != MDC_HEAD || !right {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.state = State::Held;
        self.progress.get().integrity_held = true;
        Ok(())
    }
}

impl<R: Read> Read for Mdc<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.ready().min(buf.len());
            if n > 0 || buf.is_empty() {
                buf[..n].copy_from_slice(&self.buffer[self.start..self.start + n]);
                self.start += n;
                return Ok(n);
            }
            match self.state {
                State::Held => return Ok(0),
                State::Broken => return Err(io::ErrorKind::InvalidData.into()),
                State::New | State::Reading => {
                    let advanced = self.advance();
                    if advanced.is_err() {
                        self.state = State::Broken;
                        (self.start, self.end) = (0, 0);
                    }
                    advanced?;
                }
            }
        }
    }
}
