//! Addresses as customers write them, and the keyed digests that stand for them.

mod beyond;
mod domain;
mod key;
mod plain;

use std::{borrow::Cow, fmt};

use fault::{Code, Disposition, Fault, Notice};

pub(crate) use domain::check_domain;
pub use key::{AddressKey, DigestKey, NORMALISATION_VERSION};
pub(crate) use plain::is_atext;

/// RFC 5321, 4.5.3.1.3: a path has 256 octets with its angle brackets.
pub const ADDRESS_BYTES_MAX: usize = 254;
/// RFC 5321, 4.5.3.1.1.
pub const LOCAL_PART_BYTES_MAX: usize = 64;

/// A valid address (RFC 5321; the local part also RFC 6531, the domain RFC 5890), borrowed from the text that it was read from where that needed no change. `Debug`
/// hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address<'a> {
    envelope: Cow<'a, str>,
    /// Where the `@` stands in it.
    at: usize,
    /// The local part's normal form, where that is more than lower case.
    local: Option<String>,
}

impl<'a> Address<'a> {
    /// Reads an address as it stands in a CSV: surrounding white space and zero-width characters are dropped, an international domain
    /// becomes its A-label, letters beyond ASCII before the `@` take their composed form (NFC). Display names, comments, address literals
    /// and domains without a dot are refused.
    pub fn parse(text: &'a str) -> Result<Self, AddressError> {
        if let Some(at) = plain::plain_at(text) {
            return Ok(Self { envelope: Cow::Borrowed(text), at, local: None });
        }
        let text = text
            .trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}'));
        if text.is_empty() {
            return Err(AddressError::Missing);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if text.len() > 2 * ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let local = if local.is_ascii() { Cow::Borrowed(local) } else { beyond::composed(local) };
        let bare = check_local_part(&local)?;
        if local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let normal = if !local.is_ascii() {
            Some(beyond::folded(bare))
        } else if bare.len() < local.len() {
            Some(bare.to_ascii_lowercase())
        } else {
            None
        };
        let envelope = match (&local, check_domain(domain)?) {
            (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(text),
            (local, domain) => Cow::Owned(format!("{local}@{domain}")),
        };
        if local.len() > LOCAL_PART_BYTES_MAX || envelope.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { envelope, at: local.len(), local: normal })
    }

    /// For `RCPT TO` and the `To` header: the local part as the customer wrote it, composed (NFC), the domain as lower-case A-label.
    pub fn envelope(&self) -> &str {
        &self.envelope
    }

    /// Whether only a relay that speaks SMTPUTF8 (RFC 6531) can take it.
    pub fn is_beyond_ascii(&self) -> bool {
        !self.envelope.is_ascii()
    }

    /// For comparison alone: both parts in lower case, needless quotes removed.
    pub fn normalised(&self) -> String {
        match &self.local {
            Some(local) => format!("{local}@{}", self.domain()),
            // The domain is in lower case already.
            None => self.envelope.to_ascii_lowercase(),
        }
    }

    /// The part after the `@`, as lower-case A-label.
    pub fn domain(&self) -> &str {
        &self.envelope[self.at + 1..]
    }

    /// The same, on its own.
    pub fn into_owned(self) -> Address<'static> {
        Address { envelope: Cow::Owned(self.envelope.into_owned()), at: self.at, local: self.local }
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
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
    if is_dot_atom(local) { Ok(local) } else { Err(AddressError::LocalPart) }
}

fn check_quoted(inner: &str) -> Result<(), AddressError> {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let valid = match c {
            '\\' => chars.next().is_some_and(is_quotable),
            '"' => false,
            c => is_quotable(c) || !c.is_ascii() && beyond::is_allowed(c),
        };
        if !valid {
            return Err(AddressError::LocalPart);
        }
    }
    if inner.is_empty() { Err(AddressError::LocalPart) } else { Ok(()) }
}

/// ASCII that may stand between quotation marks, a backslash before it or not. Angle brackets may not: they end the path of an SMTP command
/// for many a server, and one such address would stop its whole slice at the spool.
fn is_quotable(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '<' | '>')
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && !atom.starts_with(beyond::is_mark) && atom.chars().all(is_atom_char))
}

/// `atext` of RFC 5322, and of RFC 6531.
fn is_atom_char(c: char) -> bool {
    u8::try_from(c).ok().filter(u8::is_ascii).map_or_else(|| beyond::is_allowed(c), is_atext)
}

#[cfg(test)]
mod tests;
