use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE32_NOPAD;
use time::OffsetDateTime;

use crate::{Error, random};

/// RFC 4226, 4: 160 bits.
const SECRET_BYTES: usize = 20;
/// RFC 6238, 5.2.
const STEP_SECONDS: i64 = 30;
/// Steps before and behind now that count, too: clocks of phones, and people who type.
const STEPS_AROUND: i64 = 1;
const CODES: u32 = 1_000_000;

/// The secret of an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds, which is what all apps know).
pub struct Totp([u8; SECRET_BYTES]);

impl Totp {
    /// A new one.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random::bytes()?))
    }

    /// One that was stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be sealed and stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a person types it into an app.
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// As an app reads it from a picture. `issuer` and `account` are what the app shows; of an address nothing needs to be escaped but what is here.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (escaped(issuer), escaped(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.base32())
    }

    /// The step whose code this is, if it is one about now and newer than the last that was used.
    pub fn step(&self, code: &str, last_used: Option<i64>, now: OffsetDateTime) -> Option<i64> {
        let current = now.unix_timestamp().div_euclid(STEP_SECONDS);
        let steps = current - STEPS_AROUND..=current + STEPS_AROUND;
        // All are looked at, whichever fits.
        let fits = |step: &i64| {
            constant_time::verify_slices_are_equal(self.code(*step).as_bytes(), code.as_bytes()).is_ok()
        };
        let found: Vec<i64> = steps.filter(fits).collect();
        found.into_iter().find(|step| last_used.is_none_or(|last| *step > last))
    }

    /// What an app shows in a step (RFC 4226, 5.3).
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let mut number = [0; 4];
        number.copy_from_slice(&tag[offset..offset + 4]);
        format!("{:06}", (u32::from_be_bytes(number) & 0x7fff_ffff) % CODES)
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp(..)")
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, whose codes have eight digits: ours are their last six.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let totp = Totp::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            assert_eq!(totp.step(code, None, now), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_step_is_used_once_and_neighbours_count() {
        let totp = Totp::from_bytes(b"12345678901234567890").unwrap();
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        for (code, last, seconds, expected) in [
            ("287082", None, 59, Some(1)),
            ("287082", None, 30, Some(1)),
            ("287082", None, 89, Some(1)),
            ("287082", None, 90, None),
            ("287082", None, 0, Some(1)),
            ("287082", Some(0), 59, Some(1)),
            ("287082", Some(1), 59, None),
            ("287082", Some(2), 59, None),
            ("287083", None, 59, None),
            ("", None, 59, None),
        ] {
            assert_eq!(totp.step(code, last, at(seconds)), expected, "{code} {last:?} {seconds}");
        }
    }

    #[test]
    fn apps_read_the_secret() {
        let totp = Totp::from_bytes(b"12345678901234567890").unwrap();
        assert_eq!(
            totp.uri("Broad cast", "a+b@c.example"),
            "otpauth://totp/Broad%20cast:a%2Bb@c.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Broad%20cast"
        );
        assert_eq!(format!("{totp:?}"), "Totp(..)");
        assert!(Totp::from_bytes(b"short").is_none());
        assert_ne!(Totp::generate().unwrap().bytes(), Totp::generate().unwrap().bytes());
    }
}
