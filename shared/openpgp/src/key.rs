use std::{fmt, time::SystemTime};

use sequoia_openpgp::{
    Cert, Profile,
    cert::{CertBuilder, CertParser, CipherSuite},
    crypto::KeyPair as Signing,
    packet::{
        Key,
        key::{SecretParts, UnspecifiedRole},
    },
    parse::Parse,
    policy::StandardPolicy,
    serialize::MarshalInto,
    types::{KeyFlags, RevocationStatus},
};
use time::OffsetDateTime;

use crate::{Error, KeyProblem};

/// Which algorithms, key sizes and hashes are still believed. Sequoia's standard, which knows the years they ended in.
pub(crate) const POLICY: &StandardPolicy = &StandardPolicy::new();

/// Longest key or certificate that is parsed. Certificates with hundreds of third-party signatures stay below it.
const KEY_BYTES_MAX: usize = 256 * 1024;

/// Longest user id of a new key; a tenant's name and address fit.
const USER_ID_BYTES_MAX: usize = 256;

/// A new key of a tenant.
pub struct KeyPair {
    /// The private key, unlocked, in ASCII armor: for the secret store alone.
    pub secret_armored: String,
    /// The certificate to hand to the customer, in ASCII armor.
    pub public_armored: String,
    /// 40 upper-case hex digits.
    pub fingerprint: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Makes a key that signs and decrypts for a tenant: version 4 on Curve25519, which GnuPG 2.2 knows. It does not expire.
pub fn generate(user_id: &str, now: OffsetDateTime) -> Result<KeyPair, Error> {
    if user_id.is_empty() || user_id.len() > USER_ID_BYTES_MAX || user_id.chars().any(char::is_control) {
        return Err(KeyProblem::UserId.into());
    }
    let encryption = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let (cert, _revocation) = CertBuilder::new()
        .set_profile(Profile::RFC4880)
        .map_err(|_| Error::Internal)?
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(SystemTime::from(now))
        .add_userid(user_id)
        .add_signing_subkey()
        .add_subkey(encryption, None, None)
        .generate()
        .map_err(|_| Error::Internal)?;
    Ok(KeyPair {
        secret_armored: text(cert.as_tsk().armored().to_vec())?,
        public_armored: text(cert.armored().to_vec())?,
        fingerprint: cert.fingerprint().to_hex(),
    })
}

/// A tenant's private key. Its secrets are wiped from memory when it is dropped.
#[derive(Clone)]
pub struct TenantKey {
    cert: Cert,
}

impl TenantKey {
    /// Reads one private key, armored or not, whose secrets are not locked by a passphrase.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let cert = parse_one(bytes)?;
        if cert.keys().unencrypted_secret().next().is_none() {
            return Err(KeyProblem::Secretless.into());
        }
        Ok(Self { cert })
    }

    /// 40 upper-case hex digits.
    pub fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_hex()
    }

    /// The certificate to hand to the customer, without any secret.
    pub fn public_armored(&self) -> Result<String, Error> {
        text(self.cert.armored().to_vec())
    }

    pub(crate) fn cert(&self) -> &Cert {
        &self.cert
    }

    /// All keys in it that can decrypt, expired ones too: what a customer encrypted to an old certificate is still theirs.
    pub(crate) fn decryption_keys(&self) -> impl Iterator<Item = Key<SecretParts, UnspecifiedRole>> {
        self.cert
            .keys()
            .unencrypted_secret()
            .filter(|ka| ka.key().pk_algo().for_encryption())
            .map(|ka| ka.key().clone())
    }

    pub(crate) fn signer(&self, now: SystemTime) -> Result<Signing, Error> {
        let key = self
            .cert
            .keys()
            .unencrypted_secret()
            .with_policy(POLICY, now)
            .supported()
            .alive()
            .revoked(false)
            .for_signing()
            .next()
            .ok_or(KeyProblem::NoSigning)?;
        key.key().clone().into_keypair().map_err(|_| Error::Internal)
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantKey({})", self.fingerprint())
    }
}

/// A customer's certificate: exports are encrypted to it, or imports are signed by it.
#[derive(Clone)]
pub struct PublicKey {
    cert: Cert,
}

impl PublicKey {
    /// Reads one certificate, armored or not. A private key is refused, so that none is ever stored.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let cert = parse_one(bytes)?;
        if cert.is_tsk() {
            return Err(KeyProblem::Private.into());
        }
        Ok(Self { cert })
    }

    /// 40 upper-case hex digits.
    pub fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_hex()
    }

    /// The certificate in ASCII armor, as it is stored.
    pub fn armored(&self) -> Result<String, Error> {
        text(self.cert.armored().to_vec())
    }

    /// Whether exports can be encrypted to it now.
    pub fn check_encryption(&self, now: OffsetDateTime) -> Result<(), Error> {
        let usable = self
            .cert
            .keys()
            .with_policy(POLICY, SystemTime::from(now))
            .supported()
            .alive()
            .revoked(false)
            .for_transport_encryption()
            .for_storage_encryption()
            .next()
            .is_some();
        if usable && self.alive(now) { Ok(()) } else { Err(KeyProblem::NoEncryption.into()) }
    }

    /// Whether imports can be signed by it now.
    pub fn check_signing(&self, now: OffsetDateTime) -> Result<(), Error> {
        let usable = self
            .cert
            .keys()
            .with_policy(POLICY, SystemTime::from(now))
            .supported()
            .alive()
            .revoked(false)
            .for_signing()
            .next()
            .is_some();
        if usable && self.alive(now) { Ok(()) } else { Err(KeyProblem::NoSigning.into()) }
    }

    pub(crate) fn cert(&self) -> &Cert {
        &self.cert
    }

    /// The certificate as a whole; its keys are asked on their own.
    fn alive(&self, now: OffsetDateTime) -> bool {
        self.cert.with_policy(POLICY, SystemTime::from(now)).is_ok_and(|valid| {
            valid.alive().is_ok() && !matches!(valid.revocation_status(), RevocationStatus::Revoked(_))
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

fn parse_one(bytes: &[u8]) -> Result<Cert, Error> {
    if bytes.len() > KEY_BYTES_MAX {
        return Err(KeyProblem::Malformed.into());
    }
    let mut certs = CertParser::from_bytes(bytes).map_err(|_| KeyProblem::Malformed)?;
    match (certs.next(), certs.next()) {
        (Some(Ok(cert)), None) => Ok(cert),
        _ => Err(KeyProblem::Malformed.into()),
    }
}

fn text(armored: sequoia_openpgp::Result<Vec<u8>>) -> Result<String, Error> {
    String::from_utf8(armored.map_err(|_| Error::Internal)?).map_err(|_| Error::Internal)
}
