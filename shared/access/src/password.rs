//! Passwords: made, hashed with Argon2id (RFC 9106), and verified.
//!
//! One hash takes 19 MiB and some tens of milliseconds: run it on a blocking thread, behind a [`crate::Limiter`].

use std::sync::LazyLock;

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::{Output, PasswordHash},
};

use zxcvbn::{Score, zxcvbn};

use crate::{Error, random};

/// OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane. It keeps ten logins at once within 200 MiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// NIST SP 800-63B demands eight characters of a password that a person chose; ours guard files of personal data.
const CHOSEN_BYTES_MIN: usize = 12;

/// Longest password that is looked at. It bounds what a stranger can make us hash.
const BYTES_MAX: usize = 256;

const SALT_BYTES: usize = 16;

/// Crockford's base32: nothing in it is mistaken for something else when read out or typed.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS: usize = 5;
const GROUP_CHARACTERS: usize = 4;

static HASHER: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    // The parameters are constants within the algorithm's bounds; the fallback, the crate's own default, is the same set.
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// Hashes a new password into a PHC string, as it is stored.
///
/// # Errors
/// [`Error::PasswordLength`] below 12 and above 256 bytes.
pub fn hash(password: &str) -> Result<String, Error> {
    if !(CHOSEN_BYTES_MIN..=BYTES_MAX).contains(&password.len()) {
        return Err(Error::PasswordLength);
    }
    let salt: [u8; SALT_BYTES] = random::bytes()?;
    let hash: PasswordHash =
        HASHER.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| Error::PasswordHash)?;
    Ok(hash.to_string())
}

/// Whether a password that a person chose is one that guessers try within their first hundred million: common ones and variations of them, names, dates,
/// rows of a keyboard, and `words`, which are what one can know of its owner.
pub fn is_easy(password: &str, words: &[&str]) -> bool {
    zxcvbn(password, words).score() < Score::Three
}

/// Verifies passwords one after the other, in the memory of one hash: what the allocator is given back 19 MiB at a time, it does not always
/// use again.
#[derive(Default)]
pub struct Verifier(Vec<Block>);

impl Verifier {
    /// Whether a password is the stored one. With none stored, or one that does not parse, it is not, after the same work.
    pub fn verify(&mut self, password: &str, stored: Option<&str>) -> bool {
        if password.len() > BYTES_MAX {
            return false;
        }
        let parsed = stored.and_then(|phc| PasswordHash::new(phc).ok());
        let salt_and_hash = parsed.as_ref().and_then(|parsed| parsed.salt.zip(parsed.hash));
        // A hash with other parameters is none of ours, and needs other memory.
        if let Some(parsed) = parsed.filter(|parsed| salt_and_hash.is_some() && !is_ours(parsed)) {
            return HASHER.verify_password(password.as_bytes(), &parsed).is_ok();
        }
        self.0.resize(HASHER.params().block_count(), Block::new());
        let mut buffer = [0; Output::MAX_LENGTH];
        let out = &mut buffer[..salt_and_hash.map_or(Params::DEFAULT_OUTPUT_LEN, |(_, hash)| hash.len())];
        let salt = salt_and_hash.map(|(salt, _)| salt);
        let salt = salt.as_ref().map_or(&[0; SALT_BYTES][..], AsRef::as_ref);
        let hashed = HASHER.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut self.0);
        // Compared in constant time.
        let hashed = hashed.ok().and_then(|()| Output::new(out).ok());
        hashed.zip(salt_and_hash).is_some_and(|(hashed, (_, hash))| hashed == hash)
    }
}

fn is_ours(stored: &PasswordHash) -> bool {
    let params = Params::try_from(stored);
    let same =
        |params: Params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && params.is_ok_and(same)
}

/// A new password of 100 random bits: `xxxx-xxxx-xxxx-xxxx-xxxx`.
pub fn generate() -> Result<String, Error> {
    let bytes: [u8; GROUPS * GROUP_CHARACTERS] = random::bytes()?;
    let groups = bytes.chunks(GROUP_CHARACTERS).map(|group| {
        // 256 is a multiple of 32, so no character is likelier than another.
        group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect::<String>()
    });
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with the reference implementation (argon2-cffi).
    const REFERENCE: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$69I7qCjDTsQwhQqFvpQJiqEI0lGQvxC84fXE0Ktxca4";

    fn verify(password: &str, stored: &str) -> bool {
        Verifier::default().verify(password, Some(stored))
    }

    #[test]
    fn a_hash_verifies_its_password_alone() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery", &stored));
        assert!(!verify("correct horse battery ", &stored));
        assert!(!verify("", &stored));
        assert!(!verify("correct horse battery", "no hash"));
        assert_ne!(hash("correct horse battery").unwrap(), stored, "salted");
    }

    #[test]
    fn memory_is_used_again() {
        let (stored, mut verifier) = (hash("correct horse battery").unwrap(), Verifier::default());
        // Of another strength: the first of the two, with one pass less.
        let other = "$argon2id$v=19$m=19456,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$69I7qCjDTsQwhQqFvpQJiqEI0lGQvxC84fXE0Ktxca4";
        for (password, stored, expected) in [
            ("correct horse battery", Some(stored.as_str()), true),
            ("wrong horse battery", Some(&stored), false),
            ("correct horse battery", Some(&stored), true),
            ("correct horse battery", None, false),
            ("correct horse battery", Some("no hash"), false),
            ("correct horse battery", Some(other), false),
            (&"x".repeat(257), Some(&stored), false),
            ("correct horse battery", Some(REFERENCE), true),
        ] {
            assert_eq!(verifier.verify(password, stored), expected, "{password} {stored:?}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        for bad in ["", "elevenchars", &"x".repeat(257)] {
            assert!(matches!(hash(bad), Err(Error::PasswordLength)), "{bad}");
        }
        let long = "x".repeat(256);
        assert!(verify(&long, &hash(&long).unwrap()));
        assert!(!verify(&"x".repeat(1_000_000), &hash(&long).unwrap()));
    }

    #[test]
    fn what_guessers_try_early_is_easy() {
        let words = ["ada.lovelace", "lovelace", "analytical", "broadcast"];
        for (password, expected) in [
            ("password1234", true),
            ("qwertyuiop123", true),
            ("aaaaaaaaaaaaaaaa", true),
            ("123456789012", true),
            ("lovelace1815", true),
            ("Broadcast2026!", true),
            ("P@ssw0rd!P@ssw0rd!", true),
            ("correct horse battery staple", false),
            ("h7d2-k1mx-99ab", false),
            ("mein Hund frisst gern Birnen", false),
        ] {
            assert_eq!(is_easy(password, &words), expected, "{password}");
        }
    }

    #[test]
    fn unknown_users_cost_the_same_work() {
        let stored = hash("correct horse battery").unwrap();
        for stored in [Some(stored.as_str()), None, Some("no hash")] {
            let mut verifier = Verifier::default();
            assert!(!verifier.verify("wrong horse battery", stored));
            // Argon2 has filled all of its memory, with what nobody could have written without the work.
            assert_eq!(verifier.0.len(), MEMORY_KIB as usize);
            let words = verifier.0.iter().map(AsRef::<[u64]>::as_ref);
            assert!(words.into_iter().all(|block| block.iter().any(|word| *word != 0)), "{stored:?}");
        }
    }

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let password = generate().unwrap();
        assert_eq!(password.len(), 24);
        assert!(
            password.split('-').all(|group| group.len() == 4 && group.bytes().all(|b| ALPHABET.contains(&b)))
        );
        assert_ne!(password, generate().unwrap());
        hash(&password).unwrap();
    }
}
