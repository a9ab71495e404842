/// How many of a file's first bytes [`looks_encrypted`] wants to see.
pub const PEEK_BYTES: usize = 64;

const ARMOR_HEAD: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Packet tags that an encrypted message starts with (RFC 9580, 5).
const TAG_PKESK: u8 = 1;
const TAG_SKESK: u8 = 3;
const TAG_MARKER: u8 = 10;
const TAG_SEIPD: u8 = 18;

/// Whether a file is an OpenPGP message, by its content: file names lie.
///
/// One byte is not enough: a UTF-8 CSV that starts with "Ä" starts like a packet. The version after the length is, since it is a
/// control character that no text holds.
pub fn looks_encrypted(first_bytes: &[u8]) -> bool {
    is_armored(first_bytes) || starts_with_packet(first_bytes)
}

pub(crate) fn is_armored(first_bytes: &[u8]) -> bool {
    first_bytes.strip_prefix(UTF8_BOM).unwrap_or(first_bytes).trim_ascii_start().starts_with(ARMOR_HEAD)
}

fn starts_with_packet(bytes: &[u8]) -> bool {
    let Some((&head, rest)) = bytes.split_first() else { return false };
    let (tag, length_bytes) = match (head & 0xC0, rest.first()) {
        (0xC0, Some(&length)) => (head & 0x3F, new_length_bytes(length)),
        (0x80, _) => ((head >> 2) & 0x0F, [1, 2, 4, 0][usize::from(head & 3)]),
        _ => return false,
    };
    let Some(body) = rest.get(length_bytes..) else { return false };
    match tag {
        TAG_PKESK => matches!(body.first(), Some(3 | 6)),
        TAG_SKESK => matches!(body.first(), Some(4..=6)),
        TAG_SEIPD => matches!(body.first(), Some(1 | 2)),
        TAG_MARKER => body.starts_with(b"PGP"),
        _ => false,
    }
}

/// RFC 9580, 4.2.1: one byte, two, five, or one that starts a partial body.
const fn new_length_bytes(first: u8) -> usize {
    match first {
        192..=223 => 2,
        255 => 5,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_known_by_their_first_bytes() {
        for (name, bytes) in [
            ("gpg, RSA", &b"\x85\x01\x0C\x03abcdefgh"[..]),
            ("gpg, curve 25519", b"\x84\x5E\x03abcdefgh"),
            ("new format", b"\xC1\x5E\x03abcdefgh"),
            ("new format, two-octet length", b"\xC1\xC0\x4C\x03abc"),
            ("version 6", b"\xC1\x5E\x06abcdefgh"),
            ("passphrase", b"\x8C\x0D\x04\x09\x03"),
            ("bare container", b"\xD2\xEA\x01abc"),
            ("marker first", b"\xCA\x03PGP\xC1\x5E\x03"),
            ("armor", b"-----BEGIN PGP MESSAGE-----\n\n"),
            ("armor after a mark and blank lines", b"\xEF\xBB\xBF\r\n\n-----BEGIN PGP MESSAGE-----\n"),
        ] {
            assert!(looks_encrypted(bytes), "{name}");
        }
    }

    #[test]
    fn tables_of_text_are_not() {
        for (name, bytes) in [
            ("empty", &b""[..]),
            ("one byte", b"\xC1"),
            ("ASCII", b"email;name\n"),
            ("UTF-8 mark", b"\xEF\xBB\xBFemail;name"),
            ("UTF-16", b"\xFF\xFEe\0m\0"),
            ("UTF-16, big endian", b"\xFE\xFF\0e\0m"),
            ("UTF-8 umlaut first", "Äpfel;email".as_bytes()),
            ("UTF-8 accent first", "élève;email".as_bytes()),
            ("Latin-1 capital A acute first", b"\xC1lvaro;email"),
            ("Windows quotes first", b"\x84a\";email"),
            ("public key", b"\x98\x33\x04abcdef"),
            ("armored public key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
            ("cleartext signature", b"-----BEGIN PGP SIGNED MESSAGE-----\n"),
            ("zip", b"PK\x03\x04abc"),
        ] {
            assert!(!looks_encrypted(bytes), "{name}");
        }
    }
}
