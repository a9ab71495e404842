use std::fmt;

use aws_lc_rs::hmac;
use contract::TenantId;
use data_encoding::BASE64;

use crate::{Error, HEADER_BYTES, MasterKey, Purpose, SealingError, open, random, seal};

const SECRET_BYTES: usize = 32;
/// What a secret's text starts with, so that libraries and scanners of leaked secrets know it.
const SCHEME: &str = "whsec_";
/// Of a sealed secret at rest.
const HEADER: &[u8; HEADER_BYTES] = b"HOOK\x01";
/// Which key seals new secrets.
const KEY_ID: u8 = 0;

/// With which a tenant's receiver knows that an event is ours, after the Standard Webhooks specification
/// (<https://www.standardwebhooks.com>), symmetric, version 1.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; SECRET_BYTES]);

impl WebhookSecret {
    /// A new one.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random::bytes()?))
    }

    /// As the tenant is shown it, once: `whsec_` and base64.
    pub fn text(&self) -> String {
        format!("{SCHEME}{}", BASE64.encode(&self.0))
    }

    /// As it is stored: sealed for the tenant.
    pub fn seal(&self, master: &MasterKey, tenant: TenantId) -> Result<Vec<u8>, SealingError> {
        let key = master.derive(tenant, Purpose::Webhooks, KEY_ID);
        seal(HEADER, &key, KEY_ID, &name(tenant), self.0.to_vec())
    }

    /// Opens what is stored.
    pub fn open(mut sealed: Vec<u8>, master: &MasterKey, tenant: TenantId) -> Result<Self, SealingError> {
        let key = |id| master.derive(tenant, Purpose::Webhooks, id);
        let secret = open(HEADER, &mut sealed, &name(tenant), key)?;
        Ok(Self(<[u8; SECRET_BYTES]>::try_from(&*secret).map_err(|_| SealingError::Malformed)?))
    }

    /// The signature of a body that is sent with this id at this time, in seconds: `v1,` and base64 of HMAC-SHA256 over
    /// `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), signed.as_bytes());
        format!("v1,{}", BASE64.encode(tag.as_ref()))
    }
}

/// All of a tenant's are sealed under one name: which one is whose says their row.
fn name(tenant: TenantId) -> String {
    format!("{tenant}/webhooks")
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01928f3a-1b2c-4d3e-8f40-5162738495a6";

    fn secret() -> WebhookSecret {
        WebhookSecret(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    fn master() -> MasterKey {
        MasterKey::from_base64(&MasterKey::generate_base64().unwrap()).unwrap()
    }

    /// Computed with Python's `hmac` and with `openssl dgst -mac HMAC`: receivers verify by libraries that are not ours.
    #[test]
    fn golden_signature() {
        let body = format!(
            r#"{{"id":"{ID}","type":"webhook.test","at":"2026-11-23T12:00:01.5Z","data":{{"webhook":9}}}}"#
        );
        assert_eq!(
            secret().sign(ID, 1_795_435_201, &body),
            "v1,FvANmU8jfQ//bE+u+xShNow3a/cbJ6WXIINHnXNYlVk="
        );
        assert_eq!(secret().text(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }

    #[test]
    fn id_time_and_body_are_signed() {
        let signed = secret().sign(ID, 7, "{}");
        assert_eq!(signed, secret().sign(ID, 7, "{}"));
        assert_ne!(signed, secret().sign(&ID[1..], 7, "{}"));
        assert_ne!(signed, secret().sign(ID, 8, "{}"));
        assert_ne!(signed, secret().sign(ID, 7, "{ }"));
        assert_ne!(signed, WebhookSecret::generate().unwrap().sign(ID, 7, "{}"));
    }

    #[test]
    fn a_stored_secret_opens_for_its_tenant_alone() {
        let (master, tenant) = (master(), TenantId(7));
        let sealed = secret().seal(&master, tenant).unwrap();
        assert!(!sealed.windows(8).any(|window| window == &secret().0[..8]));
        assert_eq!(WebhookSecret::open(sealed.clone(), &master, tenant).unwrap(), secret());
        for opened in [
            WebhookSecret::open(sealed.clone(), &master, TenantId(8)),
            WebhookSecret::open(sealed, &self::master(), tenant),
        ] {
            assert_eq!(opened.unwrap_err(), SealingError::Forged);
        }
        assert_eq!(WebhookSecret::open(Vec::new(), &master, tenant).unwrap_err(), SealingError::Malformed);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", secret()), "WebhookSecret(..)");
    }
}
