//! The spool: the finished messages of one slice, sealed into one object.
//!
//! It is an object as [`access::seal`] makes it, with the header `BCSP` and one byte of version, over a zstd stream of records. A record is
//! the mail's id (8 bytes), then sender, recipient (2 bytes of length each) and message (4 bytes of length); numbers are big-endian.

use std::{
    fmt,
    io::{Read, Write},
};

use access::{HEADER_BYTES, SealingError};
use bytes::Bytes;
use contract::MailId;
use fault::{Disposition, Fault};

/// Of all records of one object before compression: send holds them in memory, beside the object itself.
pub const SPOOL_BYTES_MAX: usize = 32 << 20;

/// The last byte is the version of the records.
const HEADER: &[u8; HEADER_BYTES] = b"BCSP\x01";
/// Personalised messages of one template compress tenfold at the fastest level; signing costs a hundred times more than that.
const COMPRESSION_LEVEL: i32 = 1;
/// 1 MiB. With the level's own half it takes a fifth longer, because more often a message before stands across the window's end.
const WINDOW_LOG: u32 = 20;
const RECORD_HEAD_BYTES: usize = 8 + 2 + 2 + 4;

/// One finished message. `Debug` hides all but the id.
#[derive(Clone, PartialEq, Eq)]
pub struct Spooled {
    /// The row of the ledger.
    pub mail: MailId,
    /// The envelope's sender: a return path of ours.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// Header and body, with CRLF line ends.
    pub message: Bytes,
}

impl fmt::Debug for Spooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooled").field("mail", &self.mail).finish_non_exhaustive()
    }
}

/// Why an object cannot be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// Not one of ours, or of a version that this release does not know.
    #[error("spool object not well-formed")]
    Malformed,
    /// Damaged, under another name, or sealed by another key.
    #[error("spool object not authentic")]
    Forged,
    /// An address or a message is longer than its length field holds, or an address has a control character.
    #[error("message does not fit into a spool record")]
    Record,
    /// The compressor or the random source failed.
    #[error("spool object could not be made")]
    Sealing,
}

impl From<SealingError> for SpoolError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Malformed => Self::Malformed,
            SealingError::Forged => Self::Forged,
            SealingError::Unsealed => Self::Sealing,
        }
    }
}

impl Fault for SpoolError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Malformed | Self::Forged | Self::Record => Disposition::Permanent,
            Self::Sealing => Disposition::RETRY,
        }
    }
}

/// Collects messages for one object. Compresses as it goes: memory is that of the compressed records.
pub struct SpoolWriter {
    records: zstd::stream::Encoder<'static, Vec<u8>>,
    bytes: usize,
    count: usize,
}

impl SpoolWriter {
    /// An empty object.
    pub fn new() -> Result<Self, SpoolError> {
        let mut records =
            zstd::stream::Encoder::new(Vec::new(), COMPRESSION_LEVEL).map_err(|_| SpoolError::Sealing)?;
        records.window_log(WINDOW_LOG).map_err(|_| SpoolError::Sealing)?;
        Ok(Self { records, bytes: 0, count: 0 })
    }

    /// Adds a message, which may come in parts. `false`: it was not added, because the object would pass [`SPOOL_BYTES_MAX`].
    pub fn push(
        &mut self,
        mail: MailId,
        from: &str,
        to: &str,
        message: &[&[u8]],
    ) -> Result<bool, SpoolError> {
        if [from, to].iter().any(|address| !is_plain(address)) {
            return Err(SpoolError::Record);
        }
        let message_bytes: usize = message.iter().map(|part| part.len()).sum();
        let bytes = RECORD_HEAD_BYTES + from.len() + to.len() + message_bytes;
        if self.bytes + bytes > SPOOL_BYTES_MAX {
            return Ok(false);
        }
        let length = |part: &[u8]| u16::try_from(part.len()).map_err(|_| SpoolError::Record);
        let mut head = Vec::with_capacity(RECORD_HEAD_BYTES + from.len() + to.len());
        head.extend(mail.0.to_be_bytes());
        head.extend(length(from.as_bytes())?.to_be_bytes());
        head.extend(from.as_bytes());
        head.extend(length(to.as_bytes())?.to_be_bytes());
        head.extend(to.as_bytes());
        head.extend(u32::try_from(message_bytes).map_err(|_| SpoolError::Record)?.to_be_bytes());
        for part in [&[head.as_slice()], message].concat() {
            self.records.write_all(part).map_err(|_| SpoolError::Sealing)?;
        }
        self.bytes += bytes;
        self.count += 1;
        Ok(true)
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The object for the name under which it will stand, by the tenant's spool key with the number `key_id`.
    pub fn seal(self, key: &[u8; 32], key_id: u8, name: &str) -> Result<Vec<u8>, SpoolError> {
        let body = self.records.finish().map_err(|_| SpoolError::Sealing)?;
        Ok(access::seal(HEADER, key, key_id, name, body)?)
    }
}

/// Opens an object that stands under `name`; `key` gives the tenant's spool key of a number.
pub fn open_spool(
    mut object: Vec<u8>,
    name: &str,
    key: impl FnOnce(u8) -> [u8; 32],
) -> Result<Vec<Spooled>, SpoolError> {
    let compressed = access::open(HEADER, &mut object, name, key)?;
    let mut records = Vec::new();
    let decoder = zstd::stream::Decoder::with_buffer(&*compressed).map_err(|_| SpoolError::Malformed)?;
    let limit = u64::try_from(SPOOL_BYTES_MAX).unwrap_or(u64::MAX);
    decoder.take(limit.saturating_add(1)).read_to_end(&mut records).map_err(|_| SpoolError::Malformed)?;
    if records.len() > SPOOL_BYTES_MAX {
        return Err(SpoolError::Malformed);
    }
    read(Bytes::from(records)).ok_or(SpoolError::Malformed)
}

fn read(mut records: Bytes) -> Option<Vec<Spooled>> {
    let mut messages = Vec::new();
    while !records.is_empty() {
        let mail = MailId(i64::from_be_bytes(take(&mut records, 8)?.as_ref().try_into().ok()?));
        let [from, to] = [address(&mut records)?, address(&mut records)?];
        let length = u32::from_be_bytes(take(&mut records, 4)?.as_ref().try_into().ok()?);
        let message = take(&mut records, usize::try_from(length).ok()?)?;
        messages.push(Spooled { mail, from, to, message });
    }
    Some(messages)
}

fn address(records: &mut Bytes) -> Option<String> {
    let length = u16::from_be_bytes(take(records, 2)?.as_ref().try_into().ok()?);
    String::from_utf8(take(records, usize::from(length))?.to_vec()).ok().filter(|address| is_plain(address))
}

fn take(records: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= records.len()).then(|| records.split_to(length))
}

/// What may stand between angle brackets in an SMTP command: nothing that ends the line or the brackets.
fn is_plain(address: &str) -> bool {
    !address.chars().any(|c| c.is_control() || matches!(c, '<' | '>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const NAME: &str = "1/2/3/4";

    fn sealed() -> Vec<u8> {
        let mut writer = SpoolWriter::new().unwrap();
        for mail in 1..=3 {
            let to = format!("person{mail}@example.org");
            assert!(
                writer
                    .push(
                        MailId(mail),
                        "b-token@bounces.example",
                        &to,
                        &[b"Subject: Hi\r\n\r\n", b"Hello\r\n"]
                    )
                    .unwrap()
            );
        }
        assert_eq!(writer.len(), 3);
        writer.seal(&KEY, 9, NAME).unwrap()
    }

    #[test]
    fn what_is_sealed_is_read_back() {
        let messages = open_spool(sealed(), NAME, |id| [id - 2; 32]).unwrap();
        assert_eq!(messages.iter().map(|m| m.mail.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(messages[1].to, "person2@example.org");
        assert_eq!(messages[1].from, "b-token@bounces.example");
        assert_eq!(&messages[2].message[..], b"Subject: Hi\r\n\r\nHello\r\n");
        assert_eq!(format!("{:?}", messages[0]), "Spooled { mail: MailId(1), .. }");
    }

    #[test]
    fn nothing_readable_stands_in_it() {
        let object = sealed();
        assert!(!object.windows(7).any(|window| window == b"example"));
        assert_ne!(object, sealed(), "the nonce is random");
    }

    #[test]
    fn another_name_key_or_bit_does_not_open() {
        let open =
            |object: Vec<u8>, name: &str, key: u8| open_spool(object, name, |_| [key; 32]).unwrap_err();
        assert_eq!(open(sealed(), "1/2/3/5", 7), SpoolError::Forged);
        assert_eq!(open(sealed(), NAME, 8), SpoolError::Forged);
        let object = sealed();
        for position in 0..object.len() {
            let mut changed = object.clone();
            changed[position] ^= 1;
            open(changed, NAME, 7);
            open(object[..position].to_vec(), NAME, 7);
        }
    }

    #[test]
    fn an_object_is_bounded() {
        let mut writer = SpoolWriter::new().unwrap();
        let message = vec![b'x'; SPOOL_BYTES_MAX / 2];
        assert!(writer.push(MailId(1), "a@b", "c@d", &[&message]).unwrap());
        assert!(!writer.push(MailId(2), "a@b", "c@d", &[&message]).unwrap());
        assert!(writer.push(MailId(3), "a@b", "c@d", &[b"small"]).unwrap());
        let messages = open_spool(writer.seal(&KEY, 0, NAME).unwrap(), NAME, |_| KEY).unwrap();
        assert_eq!(messages.len(), 2);
    }

    #[test]
    fn no_address_ends_its_line() {
        let mut writer = SpoolWriter::new().unwrap();
        for address in ["a@b\r\nDATA", "a@b>", "<a@b", "a\0@b"] {
            assert_eq!(writer.push(MailId(1), "a@b", address, &[]), Err(SpoolError::Record), "{address:?}");
            assert_eq!(writer.push(MailId(1), address, "a@b", &[]), Err(SpoolError::Record), "{address:?}");
        }
    }
}
