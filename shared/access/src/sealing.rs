//! Objects sealed for one tenant, of which whoever has the bucket alone can read nothing and move nothing.
//!
//! Layout: a header of five bytes that says what it is and in which version, one byte of key id, 12 random bytes of nonce, then AES-256-GCM
//! (16 bytes of tag last). The first six bytes and the object's name are authenticated with it, so an object that is moved to another name
//! does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{KEY_BYTES, random};

/// What kind of object: four letters and a version.
pub const HEADER_BYTES: usize = 5;
const PREFIX_BYTES: usize = HEADER_BYTES + 1;

/// Why an object cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// Not an object with this header.
    #[error("sealed object not well-formed")]
    Malformed,
    /// Damaged, under another name, or sealed by another key.
    #[error("sealed object not authentic")]
    Forged,
    /// The random source failed.
    #[error("object could not be sealed")]
    Unsealed,
}

/// Seals a body for the name under which it will stand, by the key with the number `key_id`. One key seals at most 2^32 objects: the nonces
/// are random.
pub fn seal(
    header: &[u8; HEADER_BYTES],
    key: &[u8; KEY_BYTES],
    key_id: u8,
    name: &str,
    mut body: Vec<u8>,
) -> Result<Vec<u8>, SealingError> {
    let nonce: [u8; NONCE_LEN] = random::bytes().map_err(|_| SealingError::Unsealed)?;
    let mut object = Vec::with_capacity(PREFIX_BYTES + NONCE_LEN + body.len() + AES_256_GCM.tag_len());
    object.extend(header);
    object.push(key_id);
    let aad = aad(&object, name);
    aead(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
        .map_err(|_| SealingError::Unsealed)?;
    object.extend(nonce);
    object.extend(body);
    Ok(object)
}

/// Opens an object that stands under `name`, in place; `key` gives the key of a number.
pub fn open<'a>(
    header: &[u8; HEADER_BYTES],
    object: &'a mut [u8],
    name: &str,
    key: impl FnOnce(u8) -> [u8; KEY_BYTES],
) -> Result<&'a mut [u8], SealingError> {
    let (prefix, sealed) = object.split_at_mut_checked(PREFIX_BYTES).ok_or(SealingError::Malformed)?;
    let Some((key_id, found)) = prefix.split_last() else { return Err(SealingError::Malformed) };
    if found != header {
        return Err(SealingError::Malformed);
    }
    let key = key(*key_id);
    let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(SealingError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealingError::Malformed)?;
    aead(&key)?.open_in_place(nonce, Aad::from(aad(prefix, name)), sealed).map_err(|_| SealingError::Forged)
}

fn aad(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

fn aead(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, SealingError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealingError::Unsealed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8; HEADER_BYTES] = b"TEST\x01";
    const NAME: &str = "1/2/3";

    fn sealed() -> Vec<u8> {
        seal(HEADER, &[7; 32], 9, NAME, b"a secret".to_vec()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_alone() {
        let mut object = sealed();
        assert_eq!(open(HEADER, &mut object, NAME, |id| [id - 2; 32]).unwrap(), b"a secret");
        assert_ne!(sealed(), sealed(), "the nonce is random");
        assert!(!sealed().windows(6).any(|window| window == b"secret"));
        let refused = |name: &str, key: u8| open(HEADER, &mut sealed(), name, |_| [key; 32]).unwrap_err();
        assert_eq!(refused("1/2/4", 7), SealingError::Forged);
        assert_eq!(refused(NAME, 8), SealingError::Forged);
        assert_eq!(open(b"TEST\x02", &mut sealed(), NAME, |_| [7; 32]).unwrap_err(), SealingError::Malformed);
    }

    #[test]
    fn a_changed_or_shortened_object_does_not_open() {
        let object = sealed();
        for position in 0..object.len() {
            let mut changed = object.clone();
            changed[position] ^= 1;
            assert!(open(HEADER, &mut changed, NAME, |_| [7; 32]).is_err(), "{position}");
            assert!(open(HEADER, &mut object[..position].to_vec(), NAME, |_| [7; 32]).is_err(), "{position}");
        }
    }

    /// Objects that stand in the spool must stay readable.
    #[test]
    fn the_layout_is_this_one() {
        let object = sealed();
        assert_eq!(object[..6], *b"TEST\x01\x09");
        assert_eq!(object.len(), 6 + 12 + 8 + 16);
        let mut sealed = object[18..].to_vec();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&object[6..18]).unwrap();
        let aad = Aad::from(b"TEST\x01\x091/2/3");
        assert_eq!(key.open_in_place(nonce, aad, &mut sealed).unwrap(), b"a secret");
    }
}
