//! For tests: somebody who encrypts files to us.

use std::io::Write;

use openpgp::{PublicKey, TenantKey};
use time::{OffsetDateTime, macros::datetime};

use crate::{Error, reading::file::PgpKeys};

/// When tests are.
pub const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// Has a Broadcast key of their own.
pub struct Customer {
    secret: String,
    public: PublicKey,
}

impl Customer {
    pub fn new() -> Self {
        let pair = openpgp::generate("acme", NOW).unwrap();
        let public = PublicKey::parse(pair.public_armored.as_bytes()).unwrap();
        Self { secret: pair.secret_armored, public }
    }

    pub fn encrypt(&self, bytes: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut writer =
            openpgp::encrypt(&mut message, std::slice::from_ref(&self.public), None, NOW).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap();
        message
    }

    /// What opens that.
    pub fn keys(&self) -> Result<PgpKeys, Error> {
        let own = vec![TenantKey::parse(self.secret.as_bytes())?];
        Ok(PgpKeys { own, ..PgpKeys::default() })
    }
}
