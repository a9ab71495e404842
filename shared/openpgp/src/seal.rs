//! Writing containers of version 1 with the processor's own SHA-1 (RFC 9580, 5.13.1); see [`crate::mdc`] for why that is enough.

use std::io::{self, Write};

use aws_lc_rs::{
    cipher::{AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey},
    digest::{Context, SHA1_FOR_LEGACY_USE_ONLY},
    iv::FixedLength,
};
use sequoia_openpgp::crypto::{self, SessionKey};

use crate::mdc::{BLOCK_BYTES, MDC_HEAD, PREFIX_BYTES};

/// In the new format.
const TAG_SEIPD: u8 = 0xD2;
const VERSION: u8 = 1;

/// The body goes out in parts of this length, and the rest; 2 to the power of [`PART_POWER`].
const PART_BYTES: usize = 1 << PART_POWER;
const PART_POWER: u8 = 16;

/// Takes packets, and writes the container around them with AES-256.
pub(crate) struct Seal<W> {
    sink: W,
    aes: StreamingEncryptingKey,
    hash: Context,
    /// What has not gone out yet.
    body: Vec<u8>,
}

impl<W: Write> Seal<W> {
    pub(crate) fn begin(mut sink: W, key: &SessionKey) -> io::Result<Self> {
        let start = EncryptionContext::Iv128(FixedLength::from([0; BLOCK_BYTES]));
        let aes = UnboundCipherKey::new(&AES_256, key)
            .and_then(|key| StreamingEncryptingKey::less_safe_cfb128(key, start))
            .map_err(io::Error::other)?;
        sink.write_all(&[TAG_SEIPD])?;
        let hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        let mut seal = Self { sink, aes, hash, body: vec![VERSION] };
        // A random block, and its end again: it takes the place of a random start of the cipher.
        let mut prefix = [0; PREFIX_BYTES];
        crypto::random(&mut prefix[..BLOCK_BYTES]).map_err(io::Error::other)?;
        prefix.copy_within(BLOCK_BYTES - 2..BLOCK_BYTES, BLOCK_BYTES);
        seal.hash.update(&prefix);
        seal.encrypt(&prefix)?;
        Ok(seal)
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        let (start, end) = (self.body.len(), self.body.len() + plain.len());
        self.body.resize(end + BLOCK_BYTES, 0);
        let written =
            self.aes.update(plain, &mut self.body[start..]).map_err(io::Error::other)?.written().len();
        self.body.truncate(end);
        // A stream cipher holds nothing back.
        if written == plain.len() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Writes the integrity check and what is left, and flushes the sink.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.hash.update(&MDC_HEAD);
        let hash = self.hash.clone().finish();
        self.encrypt(&MDC_HEAD)?;
        self.encrypt(hash.as_ref())?;
        let bytes = u32::try_from(self.body.len()).map_err(io::Error::other)?;
        self.sink.write_all(&[0xFF])?;
        self.sink.write_all(&bytes.to_be_bytes())?;
        self.sink.write_all(&self.body)?;
        self.sink.flush()
    }
}

impl<W: Write> Write for Seal<W> {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let step = &plain[..plain.len().min(PART_BYTES)];
        self.hash.update(step);
        self.encrypt(step)?;
        if self.body.len() >= PART_BYTES {
            self.sink.write_all(&[0xE0 | PART_POWER])?;
            self.sink.write_all(&self.body[..PART_BYTES])?;
            self.body.drain(..PART_BYTES);
        }
        Ok(step.len())
    }

    /// Parts have their length, so what is not a part yet stays.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
