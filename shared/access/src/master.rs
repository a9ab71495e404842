use std::fmt;

use aws_lc_rs::hmac;
use contract::TenantId;
use data_encoding::BASE64;

use crate::{Error, random};

/// Length of the master key and of every key derived from it.
pub const KEY_BYTES: usize = 32;

/// Salt of the extract step. Changing it changes every key of every tenant, and with them every link ever mailed.
const EXTRACT_SALT: &[u8] = b"broadcast master key v1";

/// What a derived key is for. A key for one purpose tells nothing about a key for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// HMAC of normalised addresses: `address_key`. Always key id 0: the suppression list must outlive every rotation.
    AddressDigest,
    /// HMAC of the tokens in open, click and unsubscribe links.
    Links,
    /// HMAC of the tokens in return paths (VERP) and report headers.
    Reports,
    /// AES-256-GCM key of the objects in the spool.
    Spool,
    /// AES-256-GCM key of answers that the API keeps for repeated requests.
    Answers,
    /// AES-256-GCM key of the stored secrets of webhooks.
    Webhooks,
    /// AES-256-GCM key of users' phone numbers and of the secrets of their authenticator apps.
    Users,
    /// HMAC of codes that were sent as texts.
    Codes,
    /// HMAC of recovery codes.
    RecoveryCodes,
    /// HMAC of what binds a form to its browser.
    Forms,
    /// HMAC of whom attempts are counted by.
    Limits,
    /// HMAC of users' numbers, which authenticators know them by.
    Passkeys,
}

/// Whose keys are derived for what belongs to no tenant, or to all: tenants' numbers begin at 1.
pub const NO_TENANT: TenantId = TenantId(0);

impl Purpose {
    /// Labels are data at rest: they never change, and a new purpose takes a label that no other one starts with.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AddressDigest => b"address-digest",
            Self::Links => b"links",
            Self::Reports => b"reports",
            Self::Spool => b"spool",
            Self::Answers => b"answers",
            Self::Webhooks => b"webhooks",
            Self::Users => b"users",
            Self::Codes => b"codes",
            Self::RecoveryCodes => b"recovery-codes",
            Self::Forms => b"forms",
            Self::Limits => b"limits",
            Self::Passkeys => b"passkeys",
        }
    }
}

/// The installation's one root secret. Every key of every tenant is derived from it, so none of them is stored.
#[derive(Clone)]
pub struct MasterKey {
    /// HKDF's pseudo-random key (RFC 5869, 2.2), not the secret itself.
    extracted: hmac::Key,
}

impl MasterKey {
    /// Reads 32 bytes in standard base64, the form in which the secret is kept. White space around it is ignored.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| Error::MasterKey)?;
        let secret: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| Error::MasterKey)?;
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, EXTRACT_SALT), &secret);
        Ok(Self { extracted: hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()) })
    }

    /// A new secret in the form that [`MasterKey::from_base64`] reads.
    pub fn generate_base64() -> Result<String, Error> {
        Ok(BASE64.encode(&random::bytes::<KEY_BYTES>()?))
    }

    /// HMAC-SHA256 of parts, each behind its length, by the key of a purpose that is no tenant's.
    pub fn tag(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.derive(NO_TENANT, purpose, 0));
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; KEY_BYTES];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// The key of one tenant for one purpose: HKDF-SHA256 (RFC 5869) with the info
    /// `label | 0x00 | tenant id, 8 bytes big-endian | key id, 1 byte`.
    ///
    /// `key_id` rotates a key: write with the newest, verify with the one that a token names.
    pub fn derive(&self, tenant: TenantId, purpose: Purpose, key_id: u8) -> [u8; KEY_BYTES] {
        // One hash length of output is one HMAC in the expand step (RFC 5869, 2.3), which cannot fail.
        let mut block = hmac::Context::with_key(&self.extracted);
        block.update(purpose.label());
        block.update(&[0]);
        block.update(&tenant.0.to_be_bytes());
        block.update(&[key_id, 1]);
        let tag = block.sign();
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(tag.as_ref());
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf;
    use data_encoding::HEXLOWER;

    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            KEY_BYTES
        }
    }

    /// Mailed links and suppression lists depend on these values: a change here breaks them for every tenant.
    #[test]
    fn golden_values() {
        let master = MasterKey::from_base64(SECRET).unwrap();
        for (tenant, purpose, key_id, expected) in [
            (
                1,
                Purpose::AddressDigest,
                0,
                "049973720814988908d4da8b64f868ef8e4f216a030b4259714a48fb7b8ccdef",
            ),
            (1, Purpose::Links, 0, "1d942fc7ecd0de066936a0fe69bc55b6beb32d7362b980cc5149ae956d2fa9b6"),
            (1, Purpose::Links, 1, "a00fc78250f981a4e6b5445f0925bf8026d14ed378a1361b7feccf387d00a05c"),
            (1, Purpose::Reports, 0, "054bbd54b41870e63c42bfef9d2f54d26cdcc0609a091070acd33b9845875e7f"),
            (1, Purpose::Spool, 0, "5bda5d150cafc33cdf3689f79bb15575ed65c7c6b5f6e41b79460706be64de7e"),
            (2, Purpose::Spool, 0, "2cc5330e2bb7446cc3218f1e4cc57e06ae6c6e9d237a86583aae58856810a720"),
            (1, Purpose::Webhooks, 0, "f4111333cf87fc12da81c153540cfbf25c6e83536780bbf82b7dbfb0082b3010"),
        ] {
            let key = master.derive(TenantId(tenant), purpose, key_id);
            assert_eq!(HEXLOWER.encode(&key), expected, "{tenant} {purpose:?} {key_id}");
        }
    }

    #[test]
    fn derivation_is_rfc_5869() {
        let secret: Vec<u8> = (0..32).collect();
        let info: &[&[u8]] = &[b"links", &[0], &7_i64.to_be_bytes(), &[3]];
        let mut expected = [0; KEY_BYTES];
        hkdf::Salt::new(hkdf::HKDF_SHA256, EXTRACT_SALT)
            .extract(&secret)
            .expand(info, Length)
            .unwrap()
            .fill(&mut expected)
            .unwrap();
        let master = MasterKey::from_base64(SECRET).unwrap();
        assert_eq!(master.derive(TenantId(7), Purpose::Links, 3), expected);
    }

    /// Two ways to cut the same bytes into parts are two things; and so are two purposes.
    #[test]
    fn tags_are_of_their_parts_and_purpose() {
        let master = MasterKey::from_base64(SECRET).unwrap();
        let tag = |purpose, parts: &[&[u8]]| master.tag(purpose, parts);
        assert_eq!(tag(Purpose::Codes, &[b"ab", b"c"]), tag(Purpose::Codes, &[b"ab", b"c"]));
        assert_ne!(tag(Purpose::Codes, &[b"ab", b"c"]), tag(Purpose::Codes, &[b"a", b"bc"]));
        assert_ne!(tag(Purpose::Codes, &[b"ab"]), tag(Purpose::Forms, &[b"ab"]));
    }

    #[test]
    fn only_32_bytes_of_base64_are_a_master_key() {
        for bad in ["", "abc", "AAECAw==", &SECRET[..43], &format!("{SECRET}{SECRET}")] {
            assert!(matches!(MasterKey::from_base64(bad), Err(Error::MasterKey)), "{bad}");
        }
        assert!(MasterKey::from_base64(&format!(" {SECRET}\n")).is_ok());
        assert!(MasterKey::from_base64(&MasterKey::generate_base64().unwrap()).is_ok());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", MasterKey::from_base64(SECRET).unwrap()), "MasterKey(..)");
    }
}
