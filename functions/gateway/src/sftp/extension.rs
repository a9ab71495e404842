//! OpenSSH's extensions of SFTP version 3 (its file PROTOCOL, section 4): which there are, and how their requests read.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use russh_sftp::protocol::{ExtendedReply, FileAttributes, Packet};

use super::refusal::Refusal;

/// What the answer to the first packet names, with the versions that OpenSSH gives them. Hard links are understood and refused, so they are
/// not named.
pub const EXTENSIONS: [(&str, &str); 9] = [
    (POSIX_RENAME, "1"),
    (STATVFS, "2"),
    (FSTATVFS, "2"),
    (FSYNC, "1"),
    (LSETSTAT, "1"),
    (LIMITS, "1"),
    (EXPAND_PATH, "1"),
    (COPY_DATA, "1"),
    (HOME_DIRECTORY, "1"),
];

const POSIX_RENAME: &str = "posix-rename@openssh.com";
const STATVFS: &str = "statvfs@openssh.com";
const FSTATVFS: &str = "fstatvfs@openssh.com";
const FSYNC: &str = "fsync@openssh.com";
const LSETSTAT: &str = "lsetstat@openssh.com";
const LIMITS: &str = "limits@openssh.com";
const EXPAND_PATH: &str = "expand-path@openssh.com";
const COPY_DATA: &str = "copy-data";
const HOME_DIRECTORY: &str = "home-directory";
const HARDLINK: &str = "hardlink@openssh.com";

/// `SSH_FXP_SETSTAT`, whose request `lsetstat` repeats.
const SETSTAT: u8 = 9;

/// Part of a file that goes into another (draft-ietf-secsh-filexfer-extensions-00, 7).
#[derive(Debug, PartialEq, Eq)]
pub struct CopyData {
    pub from: String,
    pub from_offset: u64,
    /// 0: to the end.
    pub length: u64,
    pub to: String,
    pub to_offset: u64,
}

/// A request that is not in the draft.
pub enum Extension {
    PosixRename { old: String, new: String },
    StatVfs { path: String },
    FStatVfs { handle: String },
    FSync { handle: String },
    LSetStat { path: String, attrs: FileAttributes },
    Limits,
    ExpandPath { path: String },
    CopyData(CopyData),
    HomeDirectory,
    HardLink,
}

/// Reads a request.
pub fn parse(request: &str, data: Vec<u8>) -> Result<Extension, Refusal> {
    let mut data = Bytes::from(data);
    Ok(match request {
        POSIX_RENAME => Extension::PosixRename { old: text(&mut data)?, new: text(&mut data)? },
        STATVFS => Extension::StatVfs { path: text(&mut data)? },
        FSTATVFS => Extension::FStatVfs { handle: text(&mut data)? },
        FSYNC => Extension::FSync { handle: text(&mut data)? },
        LSETSTAT => lsetstat(&data)?,
        LIMITS => Extension::Limits,
        EXPAND_PATH => Extension::ExpandPath { path: text(&mut data)? },
        COPY_DATA => Extension::CopyData(CopyData {
            from: text(&mut data)?,
            from_offset: number(&mut data)?,
            length: number(&mut data)?,
            to: text(&mut data)?,
            to_offset: number(&mut data)?,
        }),
        HOME_DIRECTORY => Extension::HomeDirectory,
        HARDLINK => Extension::HardLink,
        _ => return Err(Refusal::UNKNOWN),
    })
}

/// The library reads attributes only where they stand in a request of the draft.
fn lsetstat(data: &[u8]) -> Result<Extension, Refusal> {
    let mut packet = BytesMut::with_capacity(5 + data.len());
    packet.put_u8(SETSTAT);
    packet.put_u32(0);
    packet.put_slice(data);
    match Packet::try_from(&mut packet.freeze()) {
        Ok(Packet::SetStat(request)) => Ok(Extension::LSetStat { path: request.path, attrs: request.attrs }),
        _ => Err(Refusal::BAD_MESSAGE),
    }
}

/// A string of an extension's data.
pub fn text(data: &mut Bytes) -> Result<String, Refusal> {
    let length = data.try_get_u32().map_err(|_| Refusal::BAD_MESSAGE)? as usize;
    if length > data.len() {
        return Err(Refusal::BAD_MESSAGE);
    }
    String::from_utf8(data.split_to(length).to_vec()).map_err(|_| Refusal::BAD_MESSAGE)
}

fn number(data: &mut Bytes) -> Result<u64, Refusal> {
    data.try_get_u64().map_err(|_| Refusal::BAD_MESSAGE)
}

/// The answer to `statvfs`. S3 has no end, and clients take zeros for a full disk: it is one PiB, all of it free.
pub fn file_system(id: u32) -> Packet {
    const BLOCK_BYTES: u64 = 4096;
    const BLOCKS: u64 = (1 << 50) / BLOCK_BYTES;
    const FILES: u64 = 1 << 32;
    const NO_SETUID: u64 = 2;
    const NAME_BYTES_MAX: u64 = 255;
    let mut data = Vec::with_capacity(88);
    for field in
        [BLOCK_BYTES, BLOCK_BYTES, BLOCKS, BLOCKS, BLOCKS, FILES, FILES, FILES, 0, NO_SETUID, NAME_BYTES_MAX]
    {
        data.put_u64(field);
    }
    ExtendedReply { id, data }.into()
}

/// A path that may begin with the home directory, which is the root. Other people's homes are not known here.
pub fn expanded(path: &str) -> Result<&str, Refusal> {
    match path.strip_prefix('~') {
        None => Ok(path),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(rest),
        Some(_) => Err(Refusal::NO_FILE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn strings_are_read_within_their_data() {
        let mut data = Bytes::from_static(b"\0\0\0\x02ab\0\0\0\x01c\0\0\0\x09d");
        assert_eq!(text(&mut data), Ok("ab".to_owned()));
        assert_eq!(text(&mut data), Ok("c".to_owned()));
        assert_eq!(text(&mut data), Err(Refusal::BAD_MESSAGE));
        assert_eq!(text(&mut Bytes::from_static(b"\0")), Err(Refusal::BAD_MESSAGE));
    }

    #[test]
    fn requests_are_read_whole_or_not() {
        let numbers = |from: u64, length: u64| [from.to_be_bytes(), length.to_be_bytes()].concat();
        let whole = [string("1"), numbers(2, 3), string("4"), 5_u64.to_be_bytes().to_vec()].concat();
        let Ok(Extension::CopyData(copy)) = parse(COPY_DATA, whole.clone()) else { panic!() };
        let expected =
            CopyData { from: "1".to_owned(), from_offset: 2, length: 3, to: "4".to_owned(), to_offset: 5 };
        assert_eq!(copy, expected);
        for length in 0..whole.len() {
            assert!(parse(COPY_DATA, whole[..length].to_vec()).is_err(), "{length}");
        }
        assert!(
            matches!(parse(POSIX_RENAME, [string("a"), string("b")].concat()), Ok(Extension::PosixRename { old, new }) if old == "a" && new == "b")
        );
        // Size alone: flag 1, 8 bytes.
        let attrs = [string("x"), 1_u32.to_be_bytes().to_vec(), 7_u64.to_be_bytes().to_vec()].concat();
        let Ok(Extension::LSetStat { path, attrs }) = parse(LSETSTAT, attrs) else { panic!() };
        assert_eq!((path.as_str(), attrs.size), ("x", Some(7)));
        // Attributes may be absent, a path may not.
        assert!(parse(LSETSTAT, string("x")[..4].to_vec()).is_err());
        assert!(matches!(parse("x@example.com", Vec::new()), Err(Refusal::UNKNOWN)));
    }

    #[test]
    fn every_extension_that_is_named_is_read() {
        for (name, _) in EXTENSIONS {
            assert!(!matches!(parse(name, Vec::new()), Err(Refusal::UNKNOWN)), "{name}");
        }
    }

    #[test]
    fn home_is_the_root() {
        for (path, expected) in [
            ("~", Ok("")),
            ("~/x", Ok("/x")),
            ("/~", Ok("/~")),
            ("x/~", Ok("x/~")),
            ("~root", Err(Refusal::NO_FILE)),
            ("~root/x", Err(Refusal::NO_FILE)),
        ] {
            assert_eq!(expanded(path), expected, "{path}");
        }
    }
}
