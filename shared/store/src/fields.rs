//! All fields of a row as one value.
//!
//! Postgres takes one value of a hundred bytes in a fraction of the time that an array of ten needs, and stores it shorter. The value is:
//!
//! 1. the number of fields;
//! 2. for each field 0 when it is byte for byte the row's `address`, else its length in bytes plus 1;
//! 3. the bytes of the other fields, one after another, in UTF-8.
//!
//! Numbers are unsigned LEB128 of at most five bytes.

use std::str;

/// Bits of a LEB128 byte that count.
const BITS: u32 = 7;
/// Set in every byte of a LEB128 number but the last.
const MORE: u8 = 1 << BITS;
/// What a `u32` takes.
const NUMBER_BYTES_MAX: u32 = 5;

/// A stored row is none that [`encode`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fields of a stored row are not readable")]
pub struct FieldsError;

/// Appends a row's fields to `out`. `bytes` are all fields one after another, `ends` where each of them ends in it. `address` is the
/// number of the field that the column `address` repeats, from 0, where one does.
pub fn encode(out: &mut Vec<u8>, bytes: &[u8], ends: &[usize], address: Option<usize>) {
    put(out, ends.len());
    let mut from = 0;
    let mut repeated = 0..0;
    for (at, &end) in ends.iter().enumerate() {
        if address == Some(at) {
            repeated = from..end;
            out.push(0);
        } else {
            put(out, end - from + 1);
        }
        from = end;
    }
    out.extend_from_slice(&bytes[..repeated.start]);
    out.extend_from_slice(&bytes[repeated.end..]);
}

/// Reads the fields of a row whose column `address` is the one given.
pub fn decode(packed: &[u8], address: &str) -> Result<Vec<String>, FieldsError> {
    let mut rest = packed;
    let count = take(&mut rest)?;
    // Each has a byte at least: what claims more must not make memory be reserved.
    if count > rest.len() {
        return Err(FieldsError);
    }
    let lengths = (0..count).map(|_| take(&mut rest)).collect::<Result<Vec<_>, _>>()?;
    let mut fields = Vec::with_capacity(count);
    for length in lengths {
        let Some(length) = length.checked_sub(1) else {
            fields.push(address.to_owned());
            continue;
        };
        let (field, behind) = rest.split_at_checked(length).ok_or(FieldsError)?;
        fields.push(str::from_utf8(field).map_err(|_| FieldsError)?.to_owned());
        rest = behind;
    }
    if rest.is_empty() { Ok(fields) } else { Err(FieldsError) }
}

#[allow(clippy::cast_possible_truncation, reason = "of the lowest seven bits")]
fn put(out: &mut Vec<u8>, mut number: usize) {
    while number >= usize::from(MORE) {
        out.push(number as u8 | MORE);
        number >>= BITS;
    }
    out.push(number as u8);
}

fn take(from: &mut &[u8]) -> Result<usize, FieldsError> {
    let mut number = 0_u64;
    for at in 0..NUMBER_BYTES_MAX {
        let (byte, rest) = from.split_first().ok_or(FieldsError)?;
        *from = rest;
        number |= u64::from(byte & !MORE) << (BITS * at);
        if byte & MORE == 0 {
            return usize::try_from(number).map_err(|_| FieldsError);
        }
    }
    Err(FieldsError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(fields: &[&str], address: Option<usize>) -> Vec<u8> {
        let mut ends = Vec::new();
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend_from_slice(field.as_bytes());
            ends.push(bytes.len());
        }
        let mut out = Vec::new();
        encode(&mut out, &bytes, &ends, address);
        out
    }

    #[test]
    fn fields_are_packed_as_documented() {
        let table: [(&[&str], Option<usize>, &[u8]); 6] = [
            (&["1", "a@b.de", "", "Anna"], Some(1), b"\x04\x02\x00\x01\x051Anna"),
            (&["1", "A@B.de", "", "Anna"], None, b"\x04\x02\x07\x01\x051A@B.deAnna"),
            (&["a@b.de"], Some(0), b"\x01\x00"),
            (&["", "a@b.de"], Some(1), b"\x02\x01\x00"),
            (&["grün"], None, b"\x01\x06gr\xC3\xBCn"),
            (&[], None, b"\x00"),
        ];
        for (fields, address, expected) in table {
            assert_eq!(packed(fields, address), expected, "{fields:?}");
            assert_eq!(decode(expected, "a@b.de").unwrap(), fields, "{fields:?}");
        }
        let long = "x".repeat(300);
        let bytes = packed(&[&long, "y"], None);
        assert_eq!(bytes[..4], [2, 0b1010_1101, 0b10, 2]);
        assert_eq!(decode(&bytes, "").unwrap(), [long.as_str(), "y"]);
    }

    #[test]
    fn what_was_not_packed_here_is_an_error() {
        let table: [&[u8]; 11] = [
            b"",
            b"\x01",
            b"\x02\x01",
            b"\x01\x03a",
            b"\x01\x02ab",
            b"\x00a",
            b"\x01\x02\xFF",
            b"\x02\x02\x02\xC3\xBC",
            b"\x01\x80",
            b"\xFF\xFF\xFF\xFF\xFF\x01",
            b"\x01\xFF\xFF\xFF\xFF\x0Fab",
        ];
        for bytes in table {
            assert_eq!(decode(bytes, "a@b.de"), Err(FieldsError), "{bytes:?}");
        }
    }

    /// Xorshift: the same numbers on every run.
    fn numbers() -> impl FnMut(u64) -> usize {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below).unwrap()
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut number = numbers();
        for _ in 0..2_000 {
            let lengths = [0, 1, 5, 126, 127, 128, 20_000];
            let fields: Vec<String> =
                (0..number(12)).map(|_| ["a", "ü", "\n"][number(3)].repeat(lengths[number(7)])).collect();
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let address = (!fields.is_empty() && number(2) == 0).then(|| number(fields.len() as u64));
            let bytes = packed(&fields, address);
            assert_eq!(decode(&bytes, address.map_or("", |at| fields[at])).unwrap(), fields);
        }
    }

    #[test]
    fn hostile_bytes_do_no_harm() {
        let mut number = numbers();
        for _ in 0..50_000 {
            let bytes: Vec<u8> =
                (0..number(24)).map(|_| [0, 1, 2, 3, b'a', 0x80, 0xC3, 0xFF][number(8)]).collect();
            if let Ok(fields) = decode(&bytes, "a@b.de") {
                assert!(fields.len() < bytes.len(), "{bytes:?}");
            }
        }
    }
}
