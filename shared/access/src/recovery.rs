//! Recovery codes: for whoever lost the phone. Ten at once, shown once, each good for one login.

use crate::{Error, KEY_BYTES, MasterKey, Purpose, random};

/// So many fit on a slip of paper.
pub const CODES: usize = 10;

/// 120 bits. So much chance needs no slow hash.
const CHARACTERS: usize = 24;
const GROUP_CHARACTERS: usize = 4;
/// Crockford's base32, as in passwords that we make.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new set, as people read them: `xxxx-xxxx-xxxx-xxxx-xxxx-xxxx`.
pub fn generate() -> Result<Vec<String>, Error> {
    let code = || {
        let bytes: [u8; CHARACTERS] = random::bytes()?;
        // 256 is a multiple of 32.
        let groups = bytes.chunks(GROUP_CHARACTERS).map(|group| {
            group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect::<String>()
        });
        Ok(groups.collect::<Vec<_>>().join("-"))
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
        let expected = hash(&master, 7, "01ab-cdef-ghjk-mnpq-rstv-wxyz").unwrap();
        for typed in [
            "01AB-CDEF-GHJK-MNPQ-RSTV-WXYZ",
            " o1ab cdef ghjk mnpq rstv wxyz",
            "0labcdefghjkmnpqrstvwxyz",
            "0IabCdefghjkmnpqrstvwxyz",
        ] {
            assert_eq!(hash(&master, 7, typed), Some(expected), "{typed}");
        }
        assert_ne!(hash(&master, 8, "01ab-cdef-ghjk-mnpq-rstv-wxyz"), Some(expected));
        for none in [
            "",
            "01ab-cdef-ghjk-mnpq-rstv-wxy",
            "01ab-cdef-ghjk-mnpq-rstv-wxyz0",
            "01ab-cdef-ghjk-mnpq-rstv-wxyu",
            "01ab-cdef-ghjk-mnpq-rstv-wx\u{e4}",
        ] {
            assert_eq!(hash(&master, 7, none), None, "{none}");
        }
    }

    #[test]
    fn a_set_has_ten_that_differ() {
        let codes: std::collections::BTreeSet<_> = generate().unwrap().into_iter().collect();
        assert_eq!(codes.len(), CODES);
        assert!(codes.iter().all(|code| code.len() == 29));
    }
}
