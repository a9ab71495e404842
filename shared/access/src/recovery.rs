//! Recovery codes: for whoever lost the phone. Ten at once, shown once, each good for one login.

use crate::{Error, KEY_BYTES, MasterKey, Purpose, random};

/// So many fit on a slip of paper.
pub const CODES: usize = 10;

/// 50 bits: behind a password, an HMAC and limits on attempts.
const CHARACTERS: usize = 10;
/// Crockford's base32, as in passwords that we make.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new set, as people read them: `xxxxx-xxxxx`.
pub fn generate() -> Result<Vec<String>, Error> {
    let code = || {
        let bytes: [u8; CHARACTERS] = random::bytes()?;
        // 256 is a multiple of 32.
        let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        let (first, second) = text.split_at(CHARACTERS / 2);
        Ok(format!("{first}-{second}"))
    };
    (0..CODES).map(|_| code()).collect()
}

/// What is stored of a user's code, and looked up: `None` for what cannot be one. Read as Crockford says: case is nothing, `O` is zero, `I` and `L`
/// are one.
pub fn hash(master: &MasterKey, user: i64, typed: &str) -> Option<[u8; KEY_BYTES]> {
    let read =
        typed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        });
    let code: String = read.collect();
    let fits = code.len() == CHARACTERS && code.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then(|| master.tag(Purpose::RecoveryCodes, &[&user.to_be_bytes(), code.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let master = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let expected = hash(&master, 7, "01abc-defgh").unwrap();
        for typed in ["01ABC-DEFGH", " o1abc defgh", "0labcdefgh", "0Iabcdefgh"] {
            assert_eq!(hash(&master, 7, typed), Some(expected), "{typed}");
        }
        assert_ne!(hash(&master, 8, "01abc-defgh"), Some(expected));
        for none in ["", "01abc-defg", "01abc-defghj", "01abc-defgu", "01abc-defg\u{e4}"] {
            assert_eq!(hash(&master, 7, none), None, "{none}");
        }
    }

    #[test]
    fn a_set_has_ten_that_differ() {
        let codes: std::collections::BTreeSet<_> = generate().unwrap().into_iter().collect();
        assert_eq!(codes.len(), CODES);
        assert!(codes.iter().all(|code| code.len() == CHARACTERS + 1));
    }
}
