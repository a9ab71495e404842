use std::fmt;

use aws_lc_rs::{constant_time, digest};
use data_encoding::{BASE32_NOPAD, Encoding};

use crate::{Error, random};

/// What a key starts with, so that scanners of leaked secrets know it.
const SCHEME: &str = "bk";

/// 60 bits: enough that prefixes do not collide, and short enough to show in a list.
const PREFIX_CHARACTERS: usize = 12;

/// 160 bits. So much chance needs no slow hash: a plain SHA-256 of the key is stored.
const SECRET_CHARACTERS: usize = 32;

const HASH_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// A key just made.
pub struct NewApiKey {
    /// The whole key, to be shown once and never stored.
    pub text: String,
    /// Its first part, by which it is found and named.
    pub prefix: String,
    /// SHA-256 of the whole key, to be stored.
    pub hash: [u8; HASH_BYTES],
}

impl NewApiKey {
    /// Makes a key: `bk_<prefix>_<secret>`, in lower-case base32.
    pub fn generate() -> Result<Self, Error> {
        let prefix = characters::<PREFIX_CHARACTERS>(&BASE32_NOPAD)?;
        let secret = characters::<SECRET_CHARACTERS>(&BASE32_NOPAD)?;
        let text = format!("{SCHEME}_{prefix}_{secret}");
        let hash = sha256(&text);
        Ok(Self { text, prefix, hash })
    }
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewApiKey({})", self.prefix)
    }
}

/// A key that a request presented. It proves nothing before it [`matches`](Self::matches).
pub struct ApiKey {
    prefix: String,
    hash: [u8; HASH_BYTES],
}

impl ApiKey {
    /// Reads a key in the form that [`NewApiKey`] has. Anything else is no key.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix(SCHEME)?.strip_prefix('_')?.split_once('_')?;
        let is_base32 = |part: &str| part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        let fits = prefix.len() == PREFIX_CHARACTERS && secret.len() == SECRET_CHARACTERS;
        (fits && is_base32(prefix) && is_base32(secret))
            .then(|| Self { prefix: prefix.to_owned(), hash: sha256(text) })
    }

    /// By which the stored hash is found.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// SHA-256 of the whole key: for a statement that changes nothing unless it is the stored one.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// Whether this is the key whose hash was stored, in constant time.
    pub fn matches(&self, stored_hash: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.hash, stored_hash).is_ok()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.prefix)
    }
}

/// `N` random characters, of five bits each.
fn characters<const N: usize>(encoding: &Encoding) -> Result<String, Error> {
    let mut text = encoding.encode(&random::bytes::<N>()?);
    text.truncate(N);
    text.make_ascii_lowercase();
    Ok(text)
}

fn sha256(text: &str) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn a_new_key_parses_and_matches_its_hash() {
        let (new, other) = (NewApiKey::generate().unwrap(), NewApiKey::generate().unwrap());
        assert_eq!(new.text.len(), 2 + 1 + 12 + 1 + 32);
        let key = ApiKey::parse(&new.text).unwrap();
        assert_eq!(key.prefix(), new.prefix);
        assert!(key.matches(&new.hash));
        assert!(!key.matches(&other.hash));
        assert!(!key.matches(&[]));
        assert_ne!(new.prefix, other.prefix);
        for shown in [format!("{new:?}"), format!("{key:?}")] {
            assert!(!shown.contains(&new.text[16..]), "{shown}");
        }
    }

    /// Stored hashes depend on it: `printf bk_... | sha256sum`.
    #[test]
    fn golden_hash() {
        let key = ApiKey::parse("bk_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        assert_eq!(
            HEXLOWER.encode(&key.hash),
            "9dddc17e830598747d4864fbf249f2f834c79c502df78d20d7173d2de2ec2a73"
        );
    }

    #[test]
    fn anything_else_is_no_key() {
        let (prefix, secret) = ("a".repeat(12), "b".repeat(32));
        for bad in [
            String::new(),
            "bk".to_owned(),
            "bk__".to_owned(),
            format!("bk_{prefix}_"),
            format!("bk_{prefix}_{secret}b"),
            format!("bk_{prefix}{secret}"),
            format!("sk_{prefix}_{secret}"),
            format!("bk_{prefix}_{secret} "),
            format!("bk_{}_{secret}", "A".repeat(12)),
            format!("bk_{}_{secret}", "ä".repeat(6)),
        ] {
            assert!(ApiKey::parse(&bad).is_none(), "{bad}");
        }
    }
}
