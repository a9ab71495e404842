//! A file as it was uploaded: counted, hashed, decrypted.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest;
use openpgp::{Decryptor, Limits, PublicKey, TenantKey};
use time::OffsetDateTime;

use super::unpack::UNPACKED_BYTES_MAX;

/// Reading what nobody needs, to hash it.
const DRAIN_BYTES: usize = 64 << 10;

/// The tenant's keys for what customers encrypt.
#[derive(Default)]
pub struct PgpKeys {
    /// Their Broadcast keys, with which a file is opened.
    pub own: Vec<TenantKey>,
    /// The keys with which the customer signs.
    pub signers: Vec<PublicKey>,
    /// Whether a signature by one of these is demanded.
    pub signature_required: bool,
}

/// Counts and hashes what passes.
pub struct Metered<'a, R> {
    inner: R,
    digest: digest::Context,
    bytes: &'a AtomicU64,
}

impl<'a, R: Read> Metered<'a, R> {
    /// `bytes` counts for others to watch.
    pub fn new(inner: R, bytes: &'a AtomicU64) -> Self {
        Self { inner, digest: digest::Context::new(&digest::SHA256), bytes }
    }

    /// Reads what is left; the number of all bytes and their SHA-256, hexadecimal.
    pub fn finish(mut self) -> io::Result<(u64, String)> {
        let mut rest = vec![0; DRAIN_BYTES];
        while self.read(&mut rest)? > 0 {}
        Ok((self.bytes.load(Ordering::Relaxed), hex(self.digest.finish().as_ref())))
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.digest.update(&out[..count]);
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Opens a message with the tenant's keys.
pub fn decrypt<'r>(
    reader: impl Read + Send + 'r,
    keys: &PgpKeys,
    now: OffsetDateTime,
) -> Result<Decryptor<'r>, openpgp::Error> {
    let terms = openpgp::Terms {
        signers: &keys.signers,
        signature_required: keys.signature_required,
        limits: Limits { plaintext_bytes_max: UNPACKED_BYTES_MAX, ..Limits::default() },
        now,
    };
    openpgp::decrypt(reader, &keys.own, &terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_counted_and_hashed_to_the_end() {
        let bytes = AtomicU64::new(0);
        let mut metered = Metered::new(&b"abc"[..], &bytes);
        metered.read_exact(&mut [0]).unwrap();
        assert_eq!(
            metered.finish().unwrap(),
            (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned())
        );
        assert_eq!(bytes.into_inner(), 3);
    }
}
