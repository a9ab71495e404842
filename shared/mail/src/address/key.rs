//! Keyed digests that stand for addresses.

use std::fmt;

use aws_lc_rs::hmac;

use super::{ADDRESS_BYTES_MAX, Address};

/// Goes into every digest. A change of the normalisation is a new version, and suppressions must then be looked up by both.
pub const NORMALISATION_VERSION: u8 = 1;

/// A tenant's key for digests of addresses, ready for many of them. `Debug` hides it.
pub struct DigestKey(hmac::Key);

impl DigestKey {
    /// From the derived key. Takes as long as several digests: made once per import.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

impl Address<'_> {
    /// The digest that stands for this address wherever the address itself may not: first 16 bytes of HMAC-SHA256 by the tenant's digest
    /// key over the normalisation's version and the normalised address.
    pub fn key(&self, digest_key: &DigestKey) -> AddressKey {
        let tag = if self.local.is_some() {
            let mut context = hmac::Context::with_key(&digest_key.0);
            context.update(&[NORMALISATION_VERSION]);
            context.update(self.normalised().as_bytes());
            context.sign()
        } else {
            // One call without an allocation: this is done for every row of an import.
            let mut text = [0; 1 + ADDRESS_BYTES_MAX];
            let (version, address) = text.split_at_mut(1);
            version[0] = NORMALISATION_VERSION;
            let envelope = self.envelope.as_bytes();
            address[..envelope.len()].copy_from_slice(envelope);
            address[..self.at].make_ascii_lowercase();
            hmac::sign(&digest_key.0, &text[..=envelope.len()])
        };
        let mut key = [0; 16];
        key.copy_from_slice(&tag.as_ref()[..16]);
        AddressKey(key)
    }
}

/// Keyed digest of a normalised address; 32 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(pub [u8; 16]);

impl AddressKey {
    /// From 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// As 32 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKey(..)")
    }
}
