//! The part after the `@`.

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::{AddressError, plain::is_plain_domain};

/// RFC 1035, 2.3.4.
pub(super) const LABEL_BYTES_MAX: usize = 63;

/// The domain as lower-case A-labels.
pub(crate) fn check_domain(domain: &str) -> Result<Cow<'_, str>, AddressError> {
    if domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = domain.to_ascii_lowercase();
        return check_lower(&lower).map(|domain| Cow::Owned(domain.into_owned()));
    }
    check_lower(domain)
}

fn check_lower(domain: &str) -> Result<Cow<'_, str>, AddressError> {
    if is_plain_domain(domain.as_bytes()) { Ok(Cow::Borrowed(domain)) } else { idna(domain) }
}

/// By the rules of international domain names (UTS 46), which hold for all.
pub(super) fn idna(domain: &str) -> Result<Cow<'_, str>, AddressError> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| AddressError::Domain)?;
    let (_, top) = ascii.rsplit_once('.').ok_or(AddressError::Domain)?;
    // An IPv4 address passes as a domain name otherwise.
    if top.bytes().all(|byte| byte.is_ascii_digit()) { Err(AddressError::Domain) } else { Ok(ascii) }
}
