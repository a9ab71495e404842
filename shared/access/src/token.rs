use std::fmt;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

use crate::{Error, random};

/// 256 bits. So much chance needs no slow hash: a plain SHA-256 is stored.
const BYTES: usize = 32;

/// What proves a session, half a login, or the right to choose a password: whoever has it, is it. The browser or the mail holds the text, the
/// database its digest.
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(HEXLOWER.encode(&random::bytes::<BYTES>()?)))
    }

    /// Reads what [`text`](Self::text) gave. Anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 2 * BYTES && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// 64 characters, for a cookie or a link.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text, to be stored and looked up.
    pub fn hash(&self) -> [u8; digest::SHA256_OUTPUT_LEN] {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        hash
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_shown_nowhere() {
        let (token, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(token.hash(), other.hash());
        assert_eq!(Token::parse(token.text()).unwrap().hash(), token.hash());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn anything_else_is_none() {
        for bad in ["", &"a".repeat(63), &"a".repeat(65), &"A".repeat(64), &"g".repeat(64), &"ä".repeat(32)]
        {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
