//! The server's own keys, as they stand in their secret.

use russh::keys::{Algorithm, PrivateKey, ssh_key::public::RsaPublicKey};

use crate::Error;

/// BSI TR-02102 and ANSSI ask for 3,000 bits.
const RSA_BITS_MIN: u32 = 3072;

/// The library does not read an ECDSA key of 256 bits whose secret number begins with a zero byte, as one in 256 does.
const UNREADABLE: &str = "it is no OpenSSH private key without a passphrase, or one of the rare ECDSA keys of 256 bits that cannot be read: \
     make another";

/// Reads the host keys: OpenSSH private keys without a passphrase, one after the other.
///
/// Two or more are served at once, as long as their algorithms differ: SSH agrees on an algorithm first, so that of two keys of one
/// algorithm the second would never be seen.
///
/// # Errors
/// [`Error::HostKey`] with words for the operator; at start, not at a customer's login.
pub fn host_keys(text: &str) -> Result<Vec<PrivateKey>, Error> {
    const END: &str = "-----END OPENSSH PRIVATE KEY-----";
    let mut keys: Vec<PrivateKey> = Vec::new();
    for part in text.split_inclusive(END).map(str::trim).filter(|part| !part.is_empty()) {
        let key = russh::keys::decode_secret_key(part, None).map_err(|_| Error::HostKey(UNREADABLE))?;
        check(&key)?;
        if keys.iter().any(|other| other.algorithm() == key.algorithm()) {
            return Err(Error::HostKey(
                "two keys have the same algorithm, of which clients would see one alone",
            ));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(Error::HostKey("there is none")) } else { Ok(keys) }
}

fn check(key: &PrivateKey) -> Result<(), Error> {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => {
            let bits = key.public_key().key_data().rsa().map_or(0, RsaPublicKey::key_size);
            if bits >= RSA_BITS_MIN {
                Ok(())
            } else {
                Err(Error::HostKey("an RSA key has less than 3,072 bits"))
            }
        }
        _ => Err(Error::HostKey("a key is neither Ed25519, ECDSA nor RSA")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn keys_of_different_algorithms_are_served_together() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str, kind: &[&str]| {
            let path = folder.path().join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-f"])
                .arg(&path)
                .arg("-t")
                .args(kind)
                .status();
            assert!(made.unwrap().success());
            std::fs::read_to_string(path).unwrap()
        };
        let [one, two] = ["one", "two"].map(|name| key(name, &["ed25519"]));
        // Not 256: one key in 256 would not be read.
        let [ecdsa, ecdsa_521] =
            [["ecdsa", "-b", "384"], ["ecdsa", "-b", "521"]].map(|kind| key(&kind.concat(), &kind));
        let [weak, rsa] =
            [["rsa", "-b", "2048"], ["rsa", "-b", "3072"]].map(|kind| key(&kind.concat(), &kind));
        for (text, expected) in [
            (one.clone(), Some(1)),
            (format!("{one}{rsa}"), Some(2)),
            (format!("\n{one}\n\n{rsa}\n{ecdsa}{ecdsa_521}"), Some(4)),
            (format!("{one}{two}"), None),
            (format!("{one}{rsa}{two}"), None),
            (format!("{one}{weak}"), None),
            (one.replace("OPENSSH", "RSA"), None),
            (String::new(), None),
            ("\n".to_owned(), None),
            (one[..100].to_owned(), None),
        ] {
            assert_eq!(host_keys(&text).ok().map(|keys| keys.len()), expected);
        }
    }
}
