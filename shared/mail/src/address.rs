//! Addresses as customers write them, and the keyed digests that stand for them.

use std::fmt;

use aws_lc_rs::hmac;
use fault::{Code, Disposition, Fault, Notice};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// RFC 5321, 4.5.3.1.3: a path has 256 octets with its angle brackets.
pub const ADDRESS_BYTES_MAX: usize = 254;
/// RFC 5321, 4.5.3.1.1.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// Goes into every digest. A change of the normalisation is a new version, and suppressions must then be looked up by both.
pub const NORMALISATION_VERSION: u8 = 1;

/// A valid address (RFC 5321; domain also RFC 5890). `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    envelope: String,
    normalised: String,
}

impl Address {
    /// Reads an address as it stands in a CSV: surrounding white space and zero-width characters are dropped, an international domain
    /// becomes its A-label. Display names, comments, address literals and domains without a dot are refused.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text
            .trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}'));
        if text.is_empty() {
            return Err(AddressError::Missing);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        let bare = check_local_part(local)?;
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let domain = check_domain(domain)?;
        let envelope = format!("{local}@{domain}");
        if local.len() > LOCAL_PART_BYTES_MAX || envelope.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let normalised = format!("{}@{domain}", bare.to_ascii_lowercase());
        Ok(Self { envelope, normalised })
    }

    /// For `RCPT TO` and the `To` header: the local part as the customer wrote it, the domain as lower-case A-label.
    pub fn envelope(&self) -> &str {
        &self.envelope
    }

    /// For comparison alone: both parts in lower case, needless quotes removed.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The part after the `@`, as lower-case A-label.
    pub fn domain(&self) -> &str {
        self.envelope.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The digest that stands for this address wherever the address itself may not: first 16 bytes of HMAC-SHA256 by the tenant's digest
    /// key over the normalisation's version and the normalised address.
    pub fn key(&self, digest_key: &[u8; 32]) -> AddressKey {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, digest_key));
        context.update(&[NORMALISATION_VERSION]);
        context.update(self.normalised.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&context.sign().as_ref()[..16]);
        AddressKey(key)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
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

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but white space.
    #[error("no address")]
    Missing,
    /// No `@`, or more than one.
    #[error("not exactly one @")]
    NoAt,
    /// Neither a dot-atom nor a quoted string.
    #[error("local part not valid")]
    LocalPart,
    /// A local part beyond ASCII, which only relays with SMTPUTF8 (RFC 6531) take.
    #[error("local part beyond ASCII")]
    NonAscii,
    /// Not a host name with at least one dot, also after conversion to A-labels.
    #[error("domain not valid")]
    Domain,
    /// Above [`LOCAL_PART_BYTES_MAX`] or [`ADDRESS_BYTES_MAX`].
    #[error("address too long")]
    TooLong,
}

impl AddressError {
    /// The catalogue's entry. [`Code::AddressMissing`] has the gap `column`, which the caller fills.
    pub fn code(self) -> Code {
        match self {
            Self::Missing => Code::AddressMissing,
            Self::NoAt => Code::AddressNoAt,
            Self::LocalPart => Code::AddressLocalPart,
            Self::NonAscii => Code::AddressNonAscii,
            Self::Domain => Code::AddressDomain,
            Self::TooLong => Code::AddressTooLong,
        }
    }
}

impl Fault for AddressError {
    fn disposition(&self) -> Disposition {
        Disposition::Customer(Notice::new(self.code()))
    }
}

/// Returns the local part without quotes that it does not need.
fn check_local_part(local: &str) -> Result<&str, AddressError> {
    if let Some(quoted) = local.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').ok_or(AddressError::LocalPart)?;
        return match check_quoted(inner) {
            Ok(()) if is_dot_atom(inner) => Ok(inner),
            Ok(()) => Ok(local),
            Err(error) => Err(error),
        };
    }
    if local.contains('@') {
        return Err(AddressError::NoAt);
    }
    if is_dot_atom(local) {
        return Ok(local);
    }
    let only_letters_offend =
        local.chars().all(|c| !c.is_ascii() && c.is_alphanumeric() || c.is_ascii_graphic());
    Err(if !local.is_ascii() && only_letters_offend {
        AddressError::NonAscii
    } else {
        AddressError::LocalPart
    })
}

fn check_quoted(inner: &str) -> Result<(), AddressError> {
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'\\' {
            bytes.next().ok_or(AddressError::LocalPart)?
        } else if byte == b'"' {
            0
        } else {
            byte
        };
        if !matches!(byte, b' '..=b'~') {
            return Err(if inner.is_ascii() { AddressError::LocalPart } else { AddressError::NonAscii });
        }
    }
    if inner.is_empty() { Err(AddressError::LocalPart) } else { Ok(()) }
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// RFC 5322, 3.2.3.
pub(crate) fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain as lower-case A-labels.
pub(crate) fn check_domain(domain: &str) -> Result<String, AddressError> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| AddressError::Domain)?;
    let (_, top) = ascii.rsplit_once('.').ok_or(AddressError::Domain)?;
    // An IPv4 address passes as a domain name otherwise.
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        Err(AddressError::Domain)
    } else {
        Ok(ascii.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let table = [
            ("anna@example.com", "anna@example.com", "anna@example.com"),
            (" Anna.Muster+x@EXAMPLE.com\t", "Anna.Muster+x@example.com", "anna.muster+x@example.com"),
            ("\u{feff}a@b.example", "a@b.example", "a@b.example"),
            ("info@Müller.example", "info@xn--mller-kva.example", "info@xn--mller-kva.example"),
            ("info@xn--mller-kva.example", "info@xn--mller-kva.example", "info@xn--mller-kva.example"),
            ("\"Anna\"@example.com", "\"Anna\"@example.com", "anna@example.com"),
            ("\"a b@c\"@example.com", "\"a b@c\"@example.com", "\"a b@c\"@example.com"),
            ("o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk"),
        ];
        for (text, envelope, normalised) in table {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((address.envelope(), address.normalised()), (envelope, normalised), "{text}");
        }
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        use AddressError::{Domain, LocalPart, Missing, NoAt, NonAscii, TooLong};
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}example.com", "abcdefgh.".repeat(28));
        let table = [
            ("", Missing),
            (" \t\u{a0}", Missing),
            ("anna", NoAt),
            ("anna@b@example.com", NoAt),
            ("@example.com", LocalPart),
            (".anna@example.com", LocalPart),
            ("an..na@example.com", LocalPart),
            ("anna.@example.com", LocalPart),
            ("an na@example.com", LocalPart),
            ("an\r\nna@example.com", LocalPart),
            ("Anna <anna@example.com", LocalPart),
            ("\"an\"na\"@example.com", LocalPart),
            ("\"anna\\\"@example.com", LocalPart),
            ("\"an\nna\"@example.com", LocalPart),
            ("\"\"@example.com", LocalPart),
            ("müller@example.com", NonAscii),
            ("anna@", Domain),
            ("anna@localhost", Domain),
            ("anna@example..com", Domain),
            ("anna@example.com.", Domain),
            ("anna@-example.com", Domain),
            ("anna@exa_mple.com", Domain),
            ("anna@exa mple.com", Domain),
            ("anna@example.com>", Domain),
            ("anna@example.com\r\nBcc: x", Domain),
            ("anna@[127.0.0.1]", Domain),
            ("anna@127.0.0.1", Domain),
            (long_local.as_str(), TooLong),
            (long.as_str(), TooLong),
        ];
        for (text, error) in table {
            assert_eq!(Address::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn the_digest_never_changes() {
        let key = Address::parse("Anna@Example.com").unwrap().key(&[7; 32]);
        assert_eq!(key, Address::parse("\"anna\"@EXAMPLE.COM").unwrap().key(&[7; 32]));
        assert_ne!(key, Address::parse("anna@example.com").unwrap().key(&[8; 32]));
        assert_eq!(key.to_hex(), "fe5a4c22215ed5ab5b759b2309392fd2");
        assert_eq!(AddressKey::from_hex(&key.to_hex()), Some(key));
        assert_eq!(AddressKey::from_hex("00"), None);
    }

    #[test]
    fn debug_hides_the_address() {
        let address = Address::parse("anna@example.com").unwrap();
        assert_eq!(format!("{address:?} {:?}", address.key(&[0; 32])), "Address(..) AddressKey(..)");
    }
}
