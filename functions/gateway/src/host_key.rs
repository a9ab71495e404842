//! The server's own keys, as they stand in their secret.

use russh::keys::{Algorithm, PrivateKey, ssh_key::public::RsaPublicKey};

use crate::Error;

/// BSI TR-02102 and ANSSI ask for 3,000 bits.
const RSA_BITS_MIN: u32 = 3072;

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
        let key = russh::keys::decode_secret_key(part, None)
            .map_err(|_| Error::HostKey("it is no OpenSSH private key without a passphrase"))?;
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
