//! DKIM (RFC 6376) with RSA-2048 and Ed25519 (RFC 8463): two signatures, because not every receiver knows the second.

mod canonical;
mod signature;

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use fault::{Disposition, Fault};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use signature::{Covered, Signer};

use crate::RelayProfile;

/// What a signature covers.
const HEADERS: [&str; 10] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
    "MIME-Version",
    "Content-Type",
];
/// Of these, what a relay that makes its own leaves alone.
const HEADERS_SES: [&str; 7] =
    ["From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type"];
/// A TXT record's strings have 255 octets at most (RFC 1035, 3.3).
const TXT_STRING_BYTES_MAX: usize = 255;
/// About what a signature's header takes.
const HEADER_BYTES: usize = 800;

/// The keys of one sender domain, as they are kept with the secrets. `Debug` hides them.
#[derive(Clone, Serialize, Deserialize)]
pub struct DkimKeys {
    /// As A-label; must be that of the `From` address or one above it.
    pub domain: String,
    /// Where the RSA key's record stands: `{selector}._domainkey.{domain}`.
    pub selector_rsa: String,
    /// The same for Ed25519.
    pub selector_ed25519: String,
    /// PKCS #8, DER.
    #[serde(with = "base64_text")]
    pub rsa: Vec<u8>,
    /// PKCS #8, DER.
    #[serde(with = "base64_text")]
    pub ed25519: Vec<u8>,
}

/// Which signatures a mail bears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signatures {
    /// RSA and Ed25519.
    #[default]
    Both,
    /// Ed25519 alone: the relay adds one with RSA of its own.
    Ed25519,
}

/// A record that the domain's owner publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// Without a dot at the end.
    pub name: String,
    /// The TXT value, whole; see [`DnsRecord::strings`].
    pub value: String,
}

impl DnsRecord {
    /// The value in the strings that one TXT record can hold.
    pub fn strings(&self) -> Vec<&str> {
        // Base64 and tags: every byte is a character.
        (0..self.value.len().div_ceil(TXT_STRING_BYTES_MAX))
            .map(|n| {
                &self.value[n * TXT_STRING_BYTES_MAX..self.value.len().min((n + 1) * TXT_STRING_BYTES_MAX)]
            })
            .collect()
    }
}

/// Why keys cannot be made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DkimError {
    /// The library could not make a key.
    #[error("DKIM key not made")]
    Generate,
    /// Not PKCS #8 of the right kind.
    #[error("DKIM key not readable")]
    Key,
    /// The message has no headers, or the key does not sign.
    #[error("message not signed")]
    Sign,
}

impl Fault for DkimError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Generate => Disposition::RETRY,
            Self::Key | Self::Sign => Disposition::Permanent,
        }
    }
}

impl DkimKeys {
    /// New keys; `selector` names the RSA key, with an `e` behind it the Ed25519 key. A tenth of a second and more.
    pub fn generate(domain: &str, selector: &str) -> Result<Self, DkimError> {
        let domain = crate::address::check_domain(domain).map_err(|_| DkimError::Generate)?.into_owned();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| DkimError::Generate)?;
        let rsa = AsDer::<Pkcs8V1Der<'static>>::as_der(&rsa).map_err(|_| DkimError::Generate)?;
        let ed25519 =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| DkimError::Generate)?;
        Ok(Self {
            domain,
            selector_rsa: selector.to_owned(),
            selector_ed25519: format!("{selector}e"),
            rsa: rsa.as_ref().to_vec(),
            ed25519: ed25519.as_ref().to_vec(),
        })
    }

    /// The two TXT records that make the signatures valid.
    pub fn dns_records(&self) -> Result<[DnsRecord; 2], DkimError> {
        let rsa = RsaKeyPair::from_pkcs8(&self.rsa).map_err(|_| DkimError::Key)?;
        let rsa = AsDer::<PublicKeyX509Der<'static>>::as_der(rsa.public_key()).map_err(|_| DkimError::Key)?;
        let ed25519 = Ed25519KeyPair::from_pkcs8(&self.ed25519).map_err(|_| DkimError::Key)?;
        let record = |selector: &str, kind: &str, key: &[u8]| DnsRecord {
            name: format!("{selector}._domainkey.{}", self.domain),
            value: format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(key)),
        };
        Ok([
            record(&self.selector_rsa, "rsa", rsa.as_ref()),
            record(&self.selector_ed25519, "ed25519", ed25519.public_key().as_ref()),
        ])
    }
}

impl fmt::Debug for DkimKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimKeys").field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// Parsed keys, made once per invocation and sender domain.
pub struct DkimSigner {
    signers: Vec<Signer>,
    headers: &'static [&'static str],
}

impl DkimSigner {
    /// Signs with both keys, for a relay that changes nothing.
    pub fn new(keys: &DkimKeys) -> Result<Self, DkimError> {
        Self::with(keys, Signatures::Both, &RelayProfile::Postfix)
    }

    /// Signs with some keys what stays as it is behind a relay. Without RSA it takes a tenth of the time and less.
    pub fn with(keys: &DkimKeys, signatures: Signatures, relay: &RelayProfile) -> Result<Self, DkimError> {
        let headers: &[&str] = match relay {
            RelayProfile::Postfix => &HEADERS,
            RelayProfile::Ses { .. } => &HEADERS_SES,
        };
        let mut signers = Vec::with_capacity(2);
        if signatures == Signatures::Both {
            signers.push(Signer::rsa(keys)?);
        }
        signers.push(Signer::ed25519(keys)?);
        Ok(Self { signers, headers })
    }

    /// The header fields that go before the message, relaxed/relaxed; `t=` is the system's clock. 0.3 to 0.8 ms, nearly all of it RSA.
    pub fn signatures(&self, message: &[u8]) -> Result<Vec<u8>, DkimError> {
        let covered = Covered::of(message, self.headers, OffsetDateTime::now_utc().unix_timestamp())?;
        let mut signatures = Vec::with_capacity(HEADER_BYTES * self.signers.len());
        for signer in &self.signers {
            signer.write(&covered, &mut signatures)?;
        }
        Ok(signatures)
    }
}

impl fmt::Debug for DkimSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DkimSigner(..)")
    }
}

mod base64_text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(|_| D::Error::custom("not base64"))
    }
}

#[cfg(test)]
mod tests;
