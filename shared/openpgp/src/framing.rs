use std::io;

use crate::source::Scan;

/// The tags of encrypted containers, which end a message (RFC 9580, 5.7 and 5.13).
const TAGS_CONTAINER: [u8; 2] = [9, 18];

const ARMOR_END: &[u8] = b"-----END PGP MESSAGE-----";

/// The library holds a whole line of armor in memory. RFC 9580 says 76 characters; headers and careless tools need more.
const ARMOR_LINE_BYTES_MAX: usize = 64 * 1024;

/// So much of a line tells whether it is the last one, indented or not.
const LINE_START_BYTES: usize = 64;

/// Finds the end of the encrypted container by the packets' lengths (RFC 9580, 4.2).
#[derive(Default)]
pub(crate) struct PacketScan(State);

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Tag,
    Length {
        container: bool,
        new_format: bool,
        value: u64,
        bytes_left: u8,
    },
    /// The first octet of a new-format length, which tells how many more there are.
    NewLength {
        container: bool,
    },
    Body {
        container: bool,
        bytes_left: u64,
        partial: bool,
    },
    /// A length that reaches to the end of the file.
    Endless,
    Ended,
}

impl PacketScan {
    fn header(state: State, byte: u8) -> State {
        match state {
            State::Tag if byte & 0xC0 == 0xC0 => {
                State::NewLength { container: TAGS_CONTAINER.contains(&(byte & 0x3F)) }
            }
            State::Tag => {
                let container = TAGS_CONTAINER.contains(&((byte >> 2) & 0x0F));
                match byte & 3 {
                    3 => State::Endless,
                    bits => State::Length { container, new_format: false, value: 0, bytes_left: 1 << bits },
                }
            }
            State::NewLength { container } => match byte {
                192..=223 => {
                    let value = u64::from(byte - 192);
                    State::Length { container, new_format: true, value, bytes_left: 1 }
                }
                224..=254 => State::Body { container, bytes_left: 1 << (byte & 0x1F), partial: true },
                255 => State::Length { container, new_format: false, value: 0, bytes_left: 4 },
                _ => Self::body(container, u64::from(byte)),
            },
            State::Length { container, new_format, value, bytes_left } => {
                // The two-octet form counts from 192 (RFC 9580, 4.2.1.2).
                let value = (value << 8) + u64::from(byte) + if new_format { 192 } else { 0 };
                match bytes_left {
                    1 => Self::body(container, value),
                    _ => State::Length { container, new_format, value, bytes_left: bytes_left - 1 },
                }
            }
            State::Body { .. } | State::Endless | State::Ended => state,
        }
    }

    fn body(container: bool, bytes_left: u64) -> State {
        Self::settled(State::Body { container, bytes_left, partial: false })
    }

    /// What follows a body of which nothing is left.
    fn settled(state: State) -> State {
        match state {
            State::Body { container, bytes_left: 0, partial: true } => State::NewLength { container },
            State::Body { container: true, bytes_left: 0, .. } => State::Ended,
            State::Body { bytes_left: 0, .. } => State::Tag,
            other => other,
        }
    }
}

impl Scan for PacketScan {
    fn pass(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.0 {
                State::Ended => return Ok(true),
                State::Endless => return Ok(false),
                State::Body { container, bytes_left, partial } => {
                    let n = bytes.len().min(usize::try_from(bytes_left).unwrap_or(usize::MAX));
                    bytes = &bytes[n..];
                    self.0 =
                        Self::settled(State::Body { container, bytes_left: bytes_left - n as u64, partial });
                }
                header => {
                    self.0 = Self::header(header, first);
                    bytes = rest;
                }
            }
        }
        Ok(false)
    }
}

/// Finds the end of the armor, after which nothing but white space may follow.
#[derive(Default)]
pub(crate) struct ArmorScan {
    ended: bool,
    line_bytes: usize,
    /// The line's first bytes, as many as tell whether it is the end.
    line_start: Vec<u8>,
}

impl Scan for ArmorScan {
    fn pass(&mut self, bytes: &[u8]) -> io::Result<bool> {
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if index > 0 {
                self.ended |= self.line_start.trim_ascii_start().starts_with(ARMOR_END);
                self.line_start.clear();
                self.line_bytes = 0;
            }
            if self.ended && !line.trim_ascii().is_empty() {
                return Ok(true);
            }
            self.line_bytes += line.len();
            if self.line_bytes > ARMOR_LINE_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let room = LINE_START_BYTES.saturating_sub(self.line_start.len());
            self.line_start.extend_from_slice(&line[..room.min(line.len())]);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scan's answer, given all at once and byte by byte.
    fn trailing<S: Scan + Default>(bytes: &[u8]) -> bool {
        let whole = S::default().pass(bytes).unwrap();
        let mut scan = S::default();
        let pieces = bytes.iter().any(|byte| scan.pass(&[*byte]).unwrap());
        assert_eq!(whole, pieces);
        whole
    }

    #[test]
    fn containers_end_where_their_lengths_say() {
        let two_octets = [&[0xD2, 0xC0, 0x01][..], &[7; 193]].concat();
        let five_octets = [&[0xD2, 0xFF, 0, 0, 1, 0][..], &[7; 256]].concat();
        let partial = [&[0xD2, 0xE8][..], &[7; 256], &[0xE1, 7, 7, 2, 7, 7]].concat();
        let old_format = [&[0xA5, 1, 0][..], &[7; 256]].concat();
        for (name, container) in [
            ("one octet", &[0xD2, 2, 7, 7][..]),
            ("two octets", &two_octets),
            ("five octets", &five_octets),
            ("partial", &partial),
            ("partial, empty at the end", &[0xD2, 0xE0, 7, 0]),
            ("old format", &old_format),
            ("after a recipient", &[0x84, 2, 7, 7, 0xD2, 1, 7]),
            ("after two recipients", &[0xC1, 1, 7, 0x85, 0, 1, 7, 0xD2, 1, 7]),
        ] {
            assert!(!trailing::<PacketScan>(container), "{name}");
            assert!(!trailing::<PacketScan>(&container[..container.len() - 1]), "{name}, cut");
            assert!(trailing::<PacketScan>(&[container, &[7]].concat()), "{name}, and more");
        }
        assert!(!trailing::<PacketScan>(&[0xA7, 1, 2, 3, 4, 5]), "endless");
    }

    #[test]
    fn armor_ends_at_its_last_line() {
        for (text, expected) in [
            ("-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----", false),
            ("-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----\r\n\r\n \t\n", false),
            ("abc\n-----END PGP MESSAGE-----\nx", true),
            ("abc\n-----END PGP MESSAGE-----\n\n-----BEGIN PGP MESSAGE-----\n", true),
            ("abc\n  -----END PGP MESSAGE-----x\ny", true),
            ("abc\n=-----END PGP MESSAGE-----\ny", false),
        ] {
            assert_eq!(trailing::<ArmorScan>(text.as_bytes()), expected, "{text}");
        }
        assert!(ArmorScan::default().pass(&vec![b'a'; ARMOR_LINE_BYTES_MAX + 1]).is_err());
    }
}
