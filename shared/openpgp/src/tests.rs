//! Against GnuPG and sq as installed, against messages of their other versions, and against messages that neither would write.

mod both_ways;
mod crafted;
mod fixtures;
mod from_gpg;
mod gpg;
mod keys;
mod other_programs;
mod to_gpg;

use std::io::{self, Read};

use time::{Duration, OffsetDateTime};

use crate::{Error, Limits, PublicKey, TenantKey, Terms, Verified, decrypt, generate};

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Made a minute ago: GnuPG refuses keys and signatures that are a second younger than its clock.
fn tenant_key() -> TenantKey {
    let pair = generate("Tenant <tenant@example.org>", now() - Duration::minutes(1)).unwrap();
    TenantKey::parse(pair.secret_armored.as_bytes()).unwrap()
}

fn public(key: &TenantKey) -> PublicKey {
    PublicKey::parse(key.public_armored().unwrap().as_bytes()).unwrap()
}

fn unsigned() -> Terms<'static> {
    Terms { signers: &[], signature_required: false, limits: Limits::default(), now: now() }
}

fn open(
    message: impl Read + Send,
    keys: &[TenantKey],
    terms: &Terms<'_>,
) -> Result<(Vec<u8>, Verified), Error> {
    let mut decryptor = decrypt(message, keys, terms)?;
    let mut plaintext = Vec::new();
    decryptor.read_to_end(&mut plaintext).map_err(Error::from_io)?;
    Ok((plaintext, decryptor.finish()?))
}

/// A table of `bytes` bytes that compresses as tables do; made as it is read.
struct Table {
    bytes_left: usize,
    row: u64,
    pending: Vec<u8>,
}

impl Table {
    fn new(bytes: usize) -> Self {
        Self { bytes_left: bytes, row: 0, pending: Vec::new() }
    }
}

impl Read for Table {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            for _ in 0..1000 {
                self.row += 1;
                let noise = self.row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                self.pending
                    .extend(format!("{};{noise:x}@example.org;{:x}\n", self.row, noise >> 7).as_bytes());
            }
        }
        let n = buf.len().min(self.pending.len()).min(self.bytes_left);
        buf[..n].copy_from_slice(&self.pending[..n]);
        self.pending.drain(..n);
        self.bytes_left -= n;
        Ok(n)
    }
}

fn table(bytes: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(bytes);
    Table::new(bytes).read_to_end(&mut all).unwrap();
    all
}
