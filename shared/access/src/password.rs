//! Passwords: made, hashed with Argon2id (RFC 9106), and verified.
//!
//! One hash takes 19 MiB and some tens of milliseconds: run it on a blocking thread, behind a [`crate::Limiter`].

use std::{hint::black_box, sync::LazyLock};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};

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

/// Whether a password is the stored one. A stored hash that does not parse matches nothing, in the same time.
pub fn verify(password: &str, phc: &str) -> bool {
    let Ok(stored) = PasswordHash::new(phc) else { return verify_unknown(password) };
    password.len() <= BYTES_MAX && HASHER.verify_password(password.as_bytes(), &stored).is_ok()
}

/// The memory of one hash, for whoever verifies many: what the allocator is given back 19 MiB at a time, it does not always use again.
#[derive(Default)]
pub struct Memory(Vec<Block>);

/// Whether a password is the stored one; with none stored it is not, after the same time.
pub fn verify_in(memory: &mut Memory, password: &str, stored: Option<&str>) -> bool {
    let parsed = stored.and_then(|phc| PasswordHash::new(phc).ok());
    let ours = parsed.as_ref().and_then(|parsed| parsed.salt.zip(parsed.hash));
    // A hash with other parameters is none of ours, and needs other memory.
    if let (Some(phc), Some(parsed)) = (stored, &parsed)
        && (ours.is_none() || !is_ours(parsed))
    {
        return verify(password, phc);
    }
    if password.len() > BYTES_MAX {
        return false;
    }
    memory.0.resize(HASHER.params().block_count(), Block::new());
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = &mut buffer[..ours.map_or(Params::DEFAULT_OUTPUT_LEN, |(_, hash)| hash.len())];
    let salt = ours.map(|(salt, _)| salt);
    let salt = salt.as_ref().map_or(&[0; SALT_BYTES][..], AsRef::as_ref);
    let hashed = HASHER.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut memory.0);
    // Compared in constant time.
    let hashed = hashed.ok().and_then(|()| Output::new(out).ok());
    hashed.zip(ours).is_some_and(|(hashed, (_, hash))| hashed == hash)
}

fn is_ours(stored: &PasswordHash) -> bool {
    let params = Params::try_from(stored);
    let same =
        |params: Params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && params.is_ok_and(same)
}

/// What to ask when there is no such user: never true, and takes as long as [`verify`].
pub fn verify_unknown(password: &str) -> bool {
    if password.len() <= BYTES_MAX {
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        let salt = Salt::new(&[0; SALT_BYTES]);
        let _ = black_box(salt.map(|salt| HASHER.hash_password_into(password.as_bytes(), &salt, &mut out)));
        black_box(out);
    }
    false
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
    use std::time::{Duration, Instant};

    use super::*;

    /// Made with the reference implementation (argon2-cffi).
    const REFERENCE: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$69I7qCjDTsQwhQqFvpQJiqEI0lGQvxC84fXE0Ktxca4";

    #[test]
    fn a_hash_verifies_its_password_alone() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery", &stored));
        assert!(!verify("correct horse battery ", &stored));
        assert!(!verify("", &stored));
        assert!(!verify("correct horse battery", "no hash"));
        assert!(!verify_unknown("correct horse battery"));
        assert_ne!(hash("correct horse battery").unwrap(), stored, "salted");
    }

    #[test]
    fn memory_is_used_again() {
        let (stored, memory) = (hash("correct horse battery").unwrap(), &mut Memory::default());
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
            assert_eq!(verify_in(memory, password, stored), expected, "{password} {stored:?}");
        }
    }

    #[test]
    fn hashes_of_other_programs_verify() {
        assert!(verify("correct horse battery", REFERENCE));
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
    fn unknown_users_take_as_long() {
        let stored = hash("correct horse battery").unwrap();
        // The least of several runs is free of what else the machine does.
        let least = |work: &dyn Fn() -> bool| {
            let time = |_| {
                let start = Instant::now();
                assert!(!work());
                start.elapsed()
            };
            (0..7).map(time).min().unwrap()
        };
        let known = least(&|| verify("wrong horse battery", &stored));
        let unknown = least(&|| verify_unknown("wrong horse battery"));
        assert!(known > Duration::from_millis(1));
        assert!(unknown > known / 3 && unknown < known * 3, "{known:?} {unknown:?}");
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
