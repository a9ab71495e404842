//! Answers that are the same for everyone, and what the library leaves unparsed.

use bytes::{Buf, BufMut, Bytes};
use russh_sftp::protocol::{ExtendedReply, Packet, Status, StatusCode, Version};

use super::{reading::READ_BYTES_MAX, refusal::Refusal, wire::PACKET_BYTES_MAX};

/// Files and folders that one channel may hold open. Clients open a few; this is against one that never closes.
pub const HANDLES_MAX: usize = 64;
pub const POSIX_RENAME: &str = "posix-rename@openssh.com";
pub const LIMITS: &str = "limits@openssh.com";

/// Success, for requests that have no other answer.
pub fn done(id: u32) -> Packet {
    let status = Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Done".to_owned(),
        language_tag: "en".to_owned(),
    };
    status.into()
}

/// The answer to the first packet.
pub fn version() -> Packet {
    let mut version = Version::new();
    version.extensions.insert(POSIX_RENAME.to_owned(), "1".to_owned());
    version.extensions.insert(LIMITS.to_owned(), "1".to_owned());
    version.into()
}

/// Largest packet, read, write, number of handles: with these a client sends large pieces.
pub fn limits(id: u32) -> Packet {
    let mut data = Vec::with_capacity(32);
    data.put_u64(PACKET_BYTES_MAX.into());
    data.put_u64(READ_BYTES_MAX.into());
    data.put_u64(READ_BYTES_MAX.into());
    data.put_u64(HANDLES_MAX as u64);
    ExtendedReply { id, data }.into()
}

/// A string of an extension's data.
pub fn text(data: &mut Bytes) -> Result<String, Refusal> {
    let length = data.try_get_u32().map_err(|_| Refusal::BAD_MESSAGE)? as usize;
    if length > data.len() {
        return Err(Refusal::BAD_MESSAGE);
    }
    String::from_utf8(data.split_to(length).to_vec()).map_err(|_| Refusal::BAD_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_an_extension_are_read_within_its_data() {
        let mut data = Bytes::from_static(b"\0\0\0\x02ab\0\0\0\x01c\0\0\0\x09d");
        assert_eq!(text(&mut data), Ok("ab".to_owned()));
        assert_eq!(text(&mut data), Ok("c".to_owned()));
        assert_eq!(text(&mut data), Err(Refusal::BAD_MESSAGE));
        assert_eq!(text(&mut Bytes::from_static(b"\0")), Err(Refusal::BAD_MESSAGE));
    }
}
