//! Answers that are the same for everyone.

use bytes::BufMut;
use russh_sftp::protocol::{ExtendedReply, Packet, Status, StatusCode, Version};

use super::{extension::EXTENSIONS, reading::READ_BYTES_MAX, wire::PACKET_BYTES_MAX};

/// Files and folders that one channel may hold open. Clients open a few; this is against one that never closes.
pub const HANDLES_MAX: usize = 64;

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
    let extensions = EXTENSIONS.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned()));
    version.extensions.extend(extensions);
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
