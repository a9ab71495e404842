//! The URLs that a mail carries, and its return path.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use contract::{CampaignId, MailId, TenantId};
use fault::{Disposition, Fault};

use crate::{
    AddressKey, Claim, Kind, address, imprint,
    token::{seal, seal_return_path, seal_unsubscribe_address},
};

/// Of a link's final URL, in bytes: about what every browser, proxy and mail gateway passes on; a click URL is up to three times longer.
pub const LINK_BYTES_MAX: usize = 2_000;
/// About what a token has.
const TOKEN_CHARS: usize = 64;

/// Makes the signed URLs of one campaign's mails. Cheap to clone.
#[derive(Clone)]
pub struct Links(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    base: String,
    bounce_domain: String,
    tenant: TenantId,
    campaign: CampaignId,
    key_id: u8,
    key: hmac::Key,
    /// What is sealed with an unsubscribe; empty: nothing.
    imprint: String,
    /// As it stands in the URL.
    imprint_query: String,
}

/// Why a URL cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The base of our own URLs is no plain http or https URL, or the bounce domain no domain.
    #[error("base URL or bounce domain not valid")]
    Base,
    /// The final URL is neither http nor https, or has characters that no URL has.
    #[error("link target not valid")]
    Target,
    /// The final URL is longer than [`LINK_BYTES_MAX`].
    #[error("link target too long")]
    TooLong,
}

impl Fault for LinkError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Base | Self::Target | Self::TooLong => Disposition::Permanent,
        }
    }
}

impl Links {
    /// `base` is the public URL of collect, such as `https://mail.example.com`; `bounce_domain` the domain whose mail becomes reports; `key`
    /// the tenant's link key with the number `key_id`.
    pub fn new(
        base: &str,
        bounce_domain: &str,
        tenant: TenantId,
        campaign: CampaignId,
        key_id: u8,
        key: &[u8; 32],
    ) -> Result<Self, LinkError> {
        let base = base.trim_end_matches('/');
        // Nothing that HTML or a header would have to escape.
        let plain = base.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte));
        if !plain || !has_web_scheme(base) {
            return Err(LinkError::Base);
        }
        let bounce_domain = address::check_domain(bounce_domain).map_err(|_| LinkError::Base)?.into_owned();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let (base, imprint, imprint_query) = (base.to_owned(), String::new(), String::new());
        let inner = Inner { base, bounce_domain, tenant, campaign, key_id, key, imprint, imprint_query };
        Ok(Self(Arc::new(inner)))
    }

    /// The same, for unsubscribe links whose page names the sender in the mail's language (BCP 47); see [`crate::Imprint`].
    #[must_use]
    pub fn with_imprint(&self, sender: &str, language: &str) -> Self {
        let imprint = imprint::write(sender, language);
        let imprint_query = format!("?s={}", encode_component(&imprint));
        Self(Arc::new(Inner { imprint, imprint_query, ..Inner::clone(&self.0) }))
    }

    /// `{base}/o/{token}`: the pixel.
    pub fn open(&self, mail: MailId) -> String {
        format!("{}/o/{}", self.0.base, self.token(mail, Kind::Open, ""))
    }

    /// `{base}/c/{token}?u={target}`: a link; `target` is an ASCII URL and is sealed with the token.
    pub fn click(&self, mail: MailId, link: u32, target: &str) -> Result<String, LinkError> {
        if target.len() > LINK_BYTES_MAX {
            return Err(LinkError::TooLong);
        }
        if !has_web_scheme(target) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LinkError::Target);
        }
        let inner = &self.0;
        // A mail has many of them: no part is a string of its own.
        let mut url = String::with_capacity(inner.base.len() + 2 * TOKEN_CHARS + target.len() * 3 / 2);
        url.push_str(&inner.base);
        url.push_str("/c/");
        seal(&mut url, &inner.key, inner.key_id, &self.claim(mail, Kind::Click { link }), target);
        url.push_str("?u=");
        encode(&mut url, target, &UNRESERVED);
        Ok(url)
    }

    /// `{base}/u/{token}`, and `?s={imprint}`: the page that asks, and by POST the one-click unsubscribe (RFC 8058). No character of it has to
    /// be escaped in HTML.
    pub fn unsubscribe(&self, mail: MailId, address_key: AddressKey) -> String {
        let token = self.token(mail, Kind::Unsubscribe { address_key }, &self.0.imprint);
        format!("{}/u/{token}{}", self.0.base, self.0.imprint_query)
    }

    /// The envelope's sender: `b-{token}@{bounce domain}`, local part of 64 octets at most, case may fold.
    pub fn return_path(&self, mail: MailId) -> String {
        let inner = &self.0;
        format!(
            "{}@{}",
            seal_return_path(&inner.key, inner.key_id, &self.claim(mail, Kind::Return)),
            inner.bounce_domain
        )
    }

    /// `mailto:u-{token}@{bounce domain}?subject=unsubscribe`: a mail to it unsubscribes (RFC 2369). `None` where the ids are too large for a
    /// local part.
    pub fn unsubscribe_mailto(&self, mail: MailId, address_key: AddressKey) -> Option<String> {
        let inner = &self.0;
        let claim = self.claim(mail, Kind::Unsubscribe { address_key });
        let local = seal_unsubscribe_address(&inner.key, inner.key_id, &claim)?;
        Some(format!("mailto:{local}@{}?subject=unsubscribe", inner.bounce_domain))
    }

    fn token(&self, mail: MailId, kind: Kind, text: &str) -> String {
        let mut token = String::with_capacity(TOKEN_CHARS);
        seal(&mut token, &self.0.key, self.0.key_id, &self.claim(mail, kind), text);
        token
    }

    fn claim(&self, mail: MailId, kind: Kind) -> Claim {
        Claim { tenant: self.0.tenant, campaign: self.0.campaign, mail, kind }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("tenant", &self.0.tenant)
            .field("campaign", &self.0.campaign)
            .finish_non_exhaustive()
    }
}

/// Whether a URL begins with `http://` or `https://` and something behind it.
pub(crate) fn has_web_scheme(url: &str) -> bool {
    web_scheme(url).is_some_and(|(_, rest)| !rest.is_empty())
}

/// Splits off `http://` or `https://`, in lower case.
pub(crate) fn web_scheme(url: &str) -> Option<(&'static str, &str)> {
    ["https://", "http://"].into_iter().find_map(|scheme| {
        let (head, rest) = url.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn encode_component(text: &str) -> String {
    encoded(text, &UNRESERVED)
}

/// Percent-encodes only what may not stand in a URL at all, as browsers do with what a person typed.
pub(crate) fn encode_url(text: &str) -> String {
    encoded(text, &URL)
}

/// Which bytes stay as they are.
type Plain = [bool; 256];
static UNRESERVED: Plain = letters_digits_and(b"-._~");
static URL: Plain = letters_digits_and(b"!#$%&'()*+,-./:;=?@[]_~");

const fn letters_digits_and(others: &[u8]) -> Plain {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        plain[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
}

fn encoded(text: &str, plain: &Plain) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 2);
    encode(&mut encoded, text, plain);
    encoded
}

fn encode(encoded: &mut String, text: &str, plain: &Plain) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| !plain[usize::from(*byte)]) {
        // Within a character beyond ASCII there is nothing to copy.
        if copied < at {
            encoded.push_str(&text[copied..at]);
        }
        encoded.push('%');
        encoded.push(char::from(HEX[usize::from(byte >> 4)]));
        encoded.push(char::from(HEX[usize::from(byte & 15)]));
        copied = at + 1;
    }
    encoded.push_str(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{peek, peek_return_path};

    const KEY: [u8; 32] = [7; 32];

    fn links() -> Links {
        Links::new("https://mail.example.com/", "bounce.example.com", TenantId(1), CampaignId(2), 0, &KEY)
            .unwrap()
    }

    #[test]
    fn urls_carry_their_tokens() {
        let open = links().open(MailId(3));
        let claim =
            peek(open.strip_prefix("https://mail.example.com/o/").unwrap()).unwrap().verify(&KEY).unwrap();
        assert_eq!((claim.mail, claim.kind), (MailId(3), Kind::Open));
        let unsubscribe = links().unsubscribe(MailId(3), AddressKey([1; 16]));
        let token = unsubscribe.strip_prefix("https://mail.example.com/u/").unwrap();
        let kind = peek(token).unwrap().verify(&KEY).unwrap().kind;
        assert_eq!(kind, Kind::Unsubscribe { address_key: AddressKey([1; 16]) });
        let path = links().return_path(MailId(3));
        assert_eq!(peek_return_path(&path).unwrap().verify(&KEY).unwrap().mail, MailId(3));
        assert!(path.ends_with("@bounce.example.com"));
    }

    #[test]
    fn an_unsubscribe_carries_the_sender_and_is_sealed_with_it() {
        let key = AddressKey([1; 16]);
        let url = links().with_imprint("Müller & Söhne", "de-AT").unsubscribe(MailId(3), key);
        let (token, query) =
            url.strip_prefix("https://mail.example.com/u/").unwrap().split_once('?').unwrap();
        assert_eq!(query, "s=de-AT.M%C3%BCller%20%26%20S%C3%B6hne");
        let token = peek(token).unwrap();
        let kind = Kind::Unsubscribe { address_key: key };
        assert_eq!(token.verify_with(&KEY, "de-AT.Müller & Söhne").unwrap().kind, kind);
        for changed in ["", "de-AT.", "de.Müller & Söhne", "de-AT.Müller", "de-AT.Müller & Söhne "] {
            assert!(token.verify_with(&KEY, changed).is_err(), "{changed}");
        }
        // Opens and clicks have none.
        let links = links().with_imprint("x", "en");
        assert_eq!(links.open(MailId(3)), super::tests::links().open(MailId(3)));
    }

    #[test]
    fn a_click_carries_the_final_url() {
        let click = links().click(MailId(3), 4, "https://example.com/a?b=c&d=%20+#e").unwrap();
        let (token, url) =
            click.strip_prefix("https://mail.example.com/c/").unwrap().split_once("?u=").unwrap();
        assert_eq!(url, "https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3D%2520%2B%23e");
        let claim = peek(token).unwrap().verify_with(&KEY, "https://example.com/a?b=c&d=%20+#e").unwrap();
        assert_eq!(claim.kind, Kind::Click { link: 4 });
    }

    #[test]
    fn only_web_targets_of_limited_length() {
        let long = format!("https://example.com/{}", "a".repeat(LINK_BYTES_MAX));
        let table = [
            ("ftp://example.com/", LinkError::Target),
            ("javascript:alert(1)", LinkError::Target),
            ("https://", LinkError::Target),
            ("//example.com", LinkError::Target),
            ("https://example.com/\r\nX: y", LinkError::Target),
            ("https://example.com/ü", LinkError::Target),
            (long.as_str(), LinkError::TooLong),
        ];
        for (target, error) in table {
            assert_eq!(links().click(MailId(3), 0, target), Err(error), "{target}");
        }
        assert!(links().click(MailId(3), 0, "HTTP://EXAMPLE.com").is_ok());
    }

    #[test]
    fn a_base_is_a_plain_web_url() {
        for base in [
            "",
            "mail.example.com",
            "https://",
            "https://a.example/?x",
            "https://a.example/\"",
            "ftp://a.example",
        ] {
            let made = Links::new(base, "bounce.example.com", TenantId(1), CampaignId(2), 0, &KEY);
            assert_eq!(made.unwrap_err(), LinkError::Base, "{base}");
        }
        assert!(
            Links::new("http://127.0.0.1:8080", "b.example", TenantId(1), CampaignId(2), 0, &KEY).is_ok()
        );
        assert!(
            Links::new("http://127.0.0.1:8080", "b@example", TenantId(1), CampaignId(2), 0, &KEY).is_err()
        );
    }
}
