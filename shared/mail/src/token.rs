//! Tokens in links and return paths: who is meant, sealed by a key of the tenant.
//!
//! Layout: one byte of version and kind, one byte of key id, then tenant, campaign and mail as LEB128, then for a click the link's number
//! (LEB128), for an unsubscribe the 16 bytes of the address key, and last the first 16 (return path: 10) bytes of HMAC-SHA256 over all that
//! goes before; for a click also over the URL, for an unsubscribe over its [`crate::Imprint`], if it has one. Links carry it as base64url,
//! return paths and addresses that unsubscribe as base32, which survives folded case, and with the shorter tag.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::{CampaignId, MailId, TenantId};
use fault::{Disposition, Fault};

use crate::{AddressKey, LINK_BYTES_MAX, LOCAL_PART_BYTES_MAX};

const VERSION: u8 = 1;
const LINK_TAG_BYTES: usize = 16;
/// Shorter, because a local part has 64 octets; 80 bits are enough where a guess costs a whole mail.
const LOCAL_PART_TAG_BYTES: usize = 10;
/// Before it is decoded; the longest token has 78 characters.
const TOKEN_BYTES_MAX: usize = 128;
/// Decoded.
const BYTES_MAX: usize = TOKEN_BYTES_MAX / 4 * 3;
/// Ids above need more than 8 bytes, and three of those do not fit into a local part.
const ID_MAX: u64 = (1 << 56) - 1;
/// So that no other use of the key can ever make a valid tag.
const CONTEXT: &[u8] = b"broadcast token\0";
/// What a return path begins with.
const RETURN_PATH_PREFIX: &str = "b-";
/// What an address that unsubscribes begins with.
const UNSUBSCRIBE_PREFIX: &str = "u-";

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The pixel was loaded.
    Open,
    /// A link was followed.
    Click {
        /// Number of the link in its template, from 0.
        link: u32,
    },
    /// The recipient wants no more mail.
    Unsubscribe {
        /// Stands for the address when the mail's data is gone.
        address_key: AddressKey,
    },
    /// A report came to the return path.
    Return,
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The tenant whose key sealed it.
    pub tenant: TenantId,
    /// The tenant's campaign.
    pub campaign: CampaignId,
    /// The campaign's mail.
    pub mail: MailId,
    /// What it is for.
    pub kind: Kind,
}

/// A token that is well-formed, and not yet known to be ours.
#[derive(Debug)]
pub struct Unverified {
    claim: Claim,
    key_id: u8,
    /// Payload and tag, and what is left over.
    bytes: [u8; BYTES_MAX],
    payload_bytes: usize,
    tag_bytes: usize,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours, or damaged.
    #[error("token not well-formed")]
    Malformed,
    /// Well-formed, but not sealed by this key for this use.
    #[error("token not authentic")]
    Forged,
}

impl Fault for TokenError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Malformed | Self::Forged => Disposition::Permanent,
        }
    }
}

/// Reads and verifies a token of a link together with the text that was sealed with it: a click's URL, an unsubscribe's imprint, else nothing.
/// `key` derives the key that the token names.
///
/// What is no token of ours costs what a token costs, whatever is wrong with it: one key, and one HMAC over at most [`LINK_BYTES_MAX`] bytes.
pub fn verify_link(
    token: &str,
    text: &str,
    key: impl FnOnce(&Unverified) -> [u8; 32],
) -> Result<Claim, TokenError> {
    let read = if text.len() > LINK_BYTES_MAX { Err(TokenError::Malformed) } else { peek(token) };
    let (token, text, well_formed) = match read {
        Ok(token) => (token, text, Ok(())),
        Err(error) => (Unverified::nobodys(), "", Err(error)),
    };
    let claim = token.verify_with(&key(&token), text);
    well_formed.and(claim)
}

/// Reads a token of a link. Nothing of it may be believed before [`Unverified::verify`].
pub fn peek(token: &str) -> Result<Unverified, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let mut bytes = [0; BYTES_MAX];
    let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).map_err(|_| TokenError::Malformed)?;
    let token = Unverified::read(bytes, length, LINK_TAG_BYTES).ok_or(TokenError::Malformed)?;
    if token.claim.kind == Kind::Return { Err(TokenError::Malformed) } else { Ok(token) }
}

/// Reads a return path: a whole address or its local part, in any case.
pub fn peek_return_path(address: &str) -> Result<Unverified, TokenError> {
    let token = peek_local_part(address, RETURN_PATH_PREFIX)?;
    if token.claim.kind == Kind::Return { Ok(token) } else { Err(TokenError::Malformed) }
}

/// Reads an address that unsubscribes: whole or its local part, in any case.
pub(crate) fn peek_unsubscribe_address(address: &str) -> Result<Unverified, TokenError> {
    let token = peek_local_part(address, UNSUBSCRIBE_PREFIX)?;
    if let Kind::Unsubscribe { .. } = token.claim.kind { Ok(token) } else { Err(TokenError::Malformed) }
}

fn peek_local_part(address: &str, prefix: &str) -> Result<Unverified, TokenError> {
    let local =
        address.trim_matches(['<', '>', ' ']).split('@').next().unwrap_or_default().to_ascii_lowercase();
    let token = local.strip_prefix(prefix).filter(|token| token.len() <= TOKEN_BYTES_MAX);
    let read = token.and_then(|token| data_encoding::BASE32_NOPAD_NOCASE.decode(token.as_bytes()).ok());
    let read = read.and_then(|read| {
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..read.len())?.copy_from_slice(&read);
        Unverified::read(bytes, read.len(), LOCAL_PART_TAG_BYTES)
    });
    read.ok_or(TokenError::Malformed)
}

impl Unverified {
    /// The tenant whose key must have sealed it.
    pub fn tenant(&self) -> TenantId {
        self.claim.tenant
    }

    /// Which of the tenant's link keys.
    pub fn key_id(&self) -> u8 {
        self.key_id
    }

    /// The claim of a token that no text was sealed with, in constant time.
    pub fn verify(&self, key: &[u8; 32]) -> Result<Claim, TokenError> {
        self.verify_with(key, "")
    }

    /// The claim of a token together with the text that it was made for, in constant time.
    pub fn verify_with(&self, key: &[u8; 32], text: &str) -> Result<Claim, TokenError> {
        let (payload, rest) = self.bytes.split_at(self.payload_bytes);
        let expected = tag(&hmac::Key::new(hmac::HMAC_SHA256, key), payload, text);
        let (Some(expected), Some(given)) =
            (expected.as_ref().get(..self.tag_bytes), rest.get(..self.tag_bytes))
        else {
            return Err(TokenError::Forged);
        };
        verify_slices_are_equal(expected, given).map(|()| self.claim).map_err(|_| TokenError::Forged)
    }

    /// What is verified in place of a token that is none. As long as an unsubscribe's, and in all likelihood nobody's.
    fn nobodys() -> Self {
        let claim =
            Claim { tenant: TenantId(0), campaign: CampaignId(0), mail: MailId(0), kind: Kind::Return };
        Self { claim, key_id: 0, bytes: [0; BYTES_MAX], payload_bytes: 27, tag_bytes: LINK_TAG_BYTES }
    }

    fn read(bytes: [u8; BYTES_MAX], length: usize, tag_bytes: usize) -> Option<Self> {
        let payload_bytes = length.checked_sub(tag_bytes)?;
        let [head, key_id, rest @ ..] = bytes.get(..payload_bytes)? else { return None };
        if head >> 4 != VERSION {
            return None;
        }
        let mut rest = rest;
        let mut id = || read_varint(&mut rest).and_then(|id| i64::try_from(id).ok());
        let (tenant, campaign, mail) = (TenantId(id()?), CampaignId(id()?), MailId(id()?));
        let kind = match head & 15 {
            0 => Kind::Open,
            1 => Kind::Click { link: read_varint(&mut rest)?.try_into().ok()? },
            2 => {
                let (address_key, behind) = rest.split_first_chunk()?;
                rest = behind;
                Kind::Unsubscribe { address_key: AddressKey(*address_key) }
            }
            3 => Kind::Return,
            _ => return None,
        };
        let claim = Claim { tenant, campaign, mail, kind };
        let key_id = *key_id;
        rest.is_empty().then_some(Self { claim, key_id, bytes, payload_bytes, tag_bytes })
    }
}

/// Writes the token for a link; `text` is what is sealed with it.
pub(crate) fn seal(target: &mut String, key: &hmac::Key, key_id: u8, claim: &Claim, text: &str) {
    URL_SAFE_NO_PAD.encode_string(sealed(key, key_id, claim, text, LINK_TAG_BYTES), target);
}

/// The local part of a return path, at most 64 octets.
pub(crate) fn seal_return_path(key: &hmac::Key, key_id: u8, claim: &Claim) -> String {
    seal_local_part(RETURN_PATH_PREFIX, key, key_id, claim)
}

/// The local part of an address that unsubscribes; `None` where the ids are so large that it does not fit into 64 octets: together they may
/// take ten bytes, such as a tenant below 16,384, a campaign below 268 million and a mail as large.
pub(crate) fn seal_unsubscribe_address(key: &hmac::Key, key_id: u8, claim: &Claim) -> Option<String> {
    let local = seal_local_part(UNSUBSCRIBE_PREFIX, key, key_id, claim);
    (local.len() <= LOCAL_PART_BYTES_MAX).then_some(local)
}

fn seal_local_part(prefix: &str, key: &hmac::Key, key_id: u8, claim: &Claim) -> String {
    let bytes = sealed(key, key_id, claim, "", LOCAL_PART_TAG_BYTES);
    format!("{prefix}{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

fn sealed(key: &hmac::Key, key_id: u8, claim: &Claim, text: &str, tag_bytes: usize) -> Vec<u8> {
    let kind = match claim.kind {
        Kind::Open => 0,
        Kind::Click { .. } => 1,
        Kind::Unsubscribe { .. } => 2,
        Kind::Return => 3,
    };
    let mut bytes = Vec::with_capacity(64);
    bytes.extend([VERSION << 4 | kind, key_id]);
    for id in [claim.tenant.0, claim.campaign.0, claim.mail.0] {
        write_varint(&mut bytes, id.unsigned_abs());
    }
    match claim.kind {
        Kind::Click { link } => write_varint(&mut bytes, u64::from(link)),
        Kind::Unsubscribe { address_key } => bytes.extend(address_key.0),
        Kind::Open | Kind::Return => {}
    }
    let tag = tag(key, &bytes, text);
    bytes.extend(&tag.as_ref()[..tag_bytes]);
    bytes
}

/// The payload delimits itself, so the text needs no separator.
fn tag(key: &hmac::Key, payload: &[u8], text: &str) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(CONTEXT);
    context.update(payload);
    context.update(text.as_bytes());
    context.sign()
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    debug_assert!(value <= ID_MAX, "an id beyond what a return path holds");
    while value >= 128 {
        bytes.push(u8::try_from(value & 127).unwrap_or_default() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

/// Only the shortest form of a number: one claim has one token.
fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for position in 0..8 {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 127) << (7 * position);
        if byte < 128 {
            return (byte != 0 || position == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn claim(kind: Kind) -> Claim {
        Claim { tenant: TenantId(3), campaign: CampaignId(4711), mail: MailId(1_234_567), kind }
    }

    fn seal(key: &hmac::Key, key_id: u8, claim: &Claim, url: &str) -> String {
        let mut token = String::new();
        super::seal(&mut token, key, key_id, claim, url);
        token
    }

    fn hmac_key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &KEY)
    }

    #[test]
    fn what_is_sealed_is_read_back() {
        let address_key = AddressKey([9; 16]);
        for kind in [Kind::Open, Kind::Unsubscribe { address_key }] {
            let unverified = peek(&seal(&hmac_key(), 5, &claim(kind), "")).unwrap();
            assert_eq!((unverified.tenant(), unverified.key_id()), (TenantId(3), 5));
            assert_eq!(unverified.verify(&KEY), Ok(claim(kind)));
            assert_eq!(unverified.verify(&[8; 32]), Err(TokenError::Forged));
            assert_eq!(unverified.verify_with(&KEY, "x"), Err(TokenError::Forged));
        }
    }

    #[test]
    fn a_click_is_sealed_with_its_url() {
        let click = claim(Kind::Click { link: 300 });
        let unverified = peek(&seal(&hmac_key(), 0, &click, "https://example.com/a")).unwrap();
        assert_eq!(unverified.verify_with(&KEY, "https://example.com/a"), Ok(click));
        for url in ["https://example.com/b", "https://example.com/", ""] {
            assert_eq!(unverified.verify_with(&KEY, url), Err(TokenError::Forged));
        }
        assert_eq!(unverified.verify(&KEY), Err(TokenError::Forged));
    }

    #[test]
    fn a_return_path_survives_folded_case_and_fits() {
        let path = seal_return_path(&hmac_key(), 1, &claim(Kind::Return));
        for address in [path.clone(), path.to_uppercase(), format!("<{path}@bounce.example.com>")] {
            assert_eq!(
                peek_return_path(&address).unwrap().verify(&KEY),
                Ok(claim(Kind::Return)),
                "{address}"
            );
        }
        let most = i64::try_from(ID_MAX).unwrap();
        let claim = Claim {
            tenant: TenantId(most),
            campaign: CampaignId(most),
            mail: MailId(most),
            kind: Kind::Return,
        };
        let longest = seal_return_path(&hmac_key(), 255, &claim);
        assert!(longest.len() <= crate::LOCAL_PART_BYTES_MAX, "{}", longest.len());
        assert_eq!(peek_return_path(&longest).unwrap().verify(&KEY), Ok(claim));
    }

    #[test]
    fn an_address_that_unsubscribes_survives_folded_case_and_fits_or_is_none() {
        let kind = Kind::Unsubscribe { address_key: AddressKey([9; 16]) };
        let largest = |bits: u32| (1_i64 << bits) - 1;
        let made = |tenant: u32, campaign: u32, mail: u32| {
            let (tenant, campaign) = (TenantId(largest(tenant)), CampaignId(largest(campaign)));
            Claim { tenant, campaign, mail: MailId(largest(mail)), kind }
        };
        for claim in [claim(kind), made(14, 28, 28), made(14, 21, 35)] {
            let local = seal_unsubscribe_address(&hmac_key(), 1, &claim).unwrap();
            assert!(local.len() <= LOCAL_PART_BYTES_MAX, "{}", local.len());
            for address in [local.clone(), local.to_uppercase(), format!("<{local}@bounce.example.com>")] {
                assert_eq!(peek_unsubscribe_address(&address).unwrap().verify(&KEY), Ok(claim), "{address}");
            }
            assert!(peek_return_path(&local).is_err());
            assert!(peek_return_path(&local.replacen("u-", "b-", 1)).is_err());
        }
        assert_eq!(seal_unsubscribe_address(&hmac_key(), 1, &made(14, 28, 35)), None);
        let path = seal_return_path(&hmac_key(), 1, &claim(Kind::Return));
        assert!(peek_unsubscribe_address(&path.replacen("b-", "u-", 1)).is_err());
    }

    #[test]
    fn one_kind_is_never_another() {
        let path = seal_return_path(&hmac_key(), 1, &claim(Kind::Return));
        let bytes = data_encoding::BASE32_NOPAD_NOCASE.decode(&path.as_bytes()[2..]).unwrap();
        assert!(peek(&URL_SAFE_NO_PAD.encode(&bytes)).is_err());
        let open = URL_SAFE_NO_PAD.decode(seal(&hmac_key(), 1, &claim(Kind::Open), "")).unwrap();
        assert!(peek_return_path(&format!("b-{}", data_encoding::BASE32_NOPAD.encode(&open))).is_err());
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let bytes = URL_SAFE_NO_PAD.decode(seal(&hmac_key(), 5, &claim(Kind::Open), "")).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let result = peek(&URL_SAFE_NO_PAD.encode(changed)).and_then(|token| token.verify(&KEY));
            assert!(result.is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            let result = peek(&URL_SAFE_NO_PAD.encode(&bytes[..length])).and_then(|token| token.verify(&KEY));
            assert!(result.is_err(), "{length} bytes");
        }
    }

    #[test]
    fn every_token_costs_one_key_and_is_refused_by_its_tag() {
        let open = seal(&hmac_key(), 5, &claim(Kind::Open), "");
        let foreign = seal(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), 5, &claim(Kind::Open), "");
        let path = seal_return_path(&hmac_key(), 1, &claim(Kind::Return));
        let path = data_encoding::BASE32_NOPAD_NOCASE.decode(&path.as_bytes()[2..]).unwrap();
        let long = "x".repeat(LINK_BYTES_MAX + 1);
        let (malformed, forged) = (Err(TokenError::Malformed), Err(TokenError::Forged));
        for (token, text, expected) in [
            (open.as_str(), "", Ok(claim(Kind::Open))),
            (&open, "x", forged),
            (&open, &long, malformed),
            (&foreign, "", forged),
            (&open[1..], "", malformed),
            (&URL_SAFE_NO_PAD.encode(path), "", malformed),
            ("", "", malformed),
            ("%%%", "", malformed),
            (&long, "", malformed),
        ] {
            let mut keys = 0;
            let key = |_: &Unverified| {
                keys += 1;
                KEY
            };
            assert_eq!(verify_link(token, text, key), expected, "{token} {text}");
            assert_eq!(keys, 1, "{token} {text}");
        }
        assert_eq!(Unverified::nobodys().verify(&KEY), forged);
    }

    #[test]
    fn nonsense_is_malformed() {
        let long = "A".repeat(5000);
        for token in ["", "A", "%%%", "AAAA", long.as_str(), "\u{fc}"] {
            assert_eq!(peek(token).unwrap_err(), TokenError::Malformed, "{token}");
            assert_eq!(peek_return_path(token).unwrap_err(), TokenError::Malformed, "{token}");
        }
        // A number in more bytes than it needs.
        let mut bytes = vec![VERSION << 4, 0, 0x83, 0x00, 1, 1];
        bytes.extend([0; 16]);
        assert!(peek(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
    }

    #[test]
    fn tokens_of_old_mails_stay_valid() {
        assert_eq!(seal(&hmac_key(), 1, &claim(Kind::Open), ""), "EAED5ySHrUtOIVU16_3EjVHgOXu7Rnpb");
        assert_eq!(seal_return_path(&hmac_key(), 1, &claim(Kind::Return)), "b-cmaqhzzeq6wuwcbndahdrnxpgcyps");
    }
}
