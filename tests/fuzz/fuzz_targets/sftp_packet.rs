//! A client's SFTP packet, without its length.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use russh_sftp::protocol::Packet;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = Bytes::copy_from_slice(bytes);
    if let Ok(packet) = Packet::try_from(&mut rest) {
        // An answer is made from the same types.
        let _ = Bytes::try_from(packet);
    }
});
