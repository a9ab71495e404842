//! How an upload is cut, and how much of it is in memory.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedPart},
};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::{Error, TenantFiles, error::from_sdk};

const MIB: usize = 1024 * 1024;
/// S3's: every part but the last has at least this much.
pub(crate) const PART_BYTES_MIN: usize = 5 * MIB;
/// The first parts are small: a file of a few megabytes needs one request, and several of them go at once.
const PART_BYTES_FIRST: usize = 8 * MIB;
/// Parts grow so that S3's 10,000 of them hold the largest file.
pub(crate) const PART_BYTES_LAST: usize = 32 * MIB;
/// 8 MiB for the first 1,000 parts (8 GB), 16 MiB for the next 1,000, 32 MiB for the rest.
const PARTS_PER_STEP: i32 = 1000;
/// S3's.
pub(crate) const PARTS_MAX: i32 = 10_000;
/// What 10,000 such parts hold is 273 GiB; 256 GiB is the round number below. The rest is for parts that are cut short where an upload
/// breaks off or is synced: some 600 of those, and at least 5 MiB each, fit into the largest file.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 256 * 1024 * 1024 * 1024;
/// What one upload holds in memory, parts under way and the one being filled: three parts of the first size, one and a half of the next.
/// With what a connection buffers it stays within 32 MiB. Of the last size, above 24 GB, it is one whole part: the next is filled only when it
/// has gone, which costs the time of filling it, a tenth of a second in 32 MiB at the speed of a fast connection.
pub(crate) const MEMORY_BYTES_MAX: usize = 24 * MIB;
/// What most files fit into. The buffer has room for this, and then for the whole part: growing by doubling would hold it twice.
const BUFFER_BYTES_FIRST: usize = 256 * 1024;

/// What the part with this number has, unless it is the last one or cut short.
pub(crate) fn part_bytes(number: i32) -> usize {
    let step = (number - 1) / PARTS_PER_STEP;
    if step >= 2 { PART_BYTES_LAST } else { PART_BYTES_FIRST << step }
}

/// Appends to a buffer that will have at most about `whole` bytes.
pub(crate) fn append(buffer: &mut BytesMut, bytes: &[u8], whole: usize) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let capacity = if needed <= BUFFER_BYTES_FIRST { BUFFER_BYTES_FIRST } else { whole.max(needed) };
        let mut larger = BytesMut::with_capacity(capacity);
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

/// A part that is in S3, or on its way.
pub(crate) struct Sending {
    pub bytes: usize,
    pub task: JoinHandle<Result<CompletedPart, Error>>,
}

impl TenantFiles {
    pub(crate) async fn send_part(
        &self,
        key: String,
        upload_id: String,
        number: i32,
        body: Bytes,
    ) -> Result<CompletedPart, Error> {
        let answer = self
            .client()
            .upload_part()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(body))
            .customize()
            // TLS guards the bytes on their way, and the request's signature covers their CRC: a SHA-256 beside it was a quarter of the
            // work of an upload over SSH.
            .disable_payload_signing()
            .send()
            .await
            .map_err(from_sdk("UploadPart"))?;
        // Said again at the end, so that S3 compares each part's with what it has.
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_hold_the_largest_upload() {
        assert_eq!(part_bytes(1), 8 * MIB);
        assert_eq!(part_bytes(1000), 8 * MIB);
        assert_eq!(part_bytes(1001), 16 * MIB);
        assert_eq!(part_bytes(2001), 32 * MIB);
        assert_eq!(part_bytes(PARTS_MAX), 32 * MIB);
        let whole: u64 = (1..=PARTS_MAX).map(|number| part_bytes(number) as u64).sum();
        assert!(whole >= UPLOAD_BYTES_MAX);
        let cut_short = (PART_BYTES_LAST - PART_BYTES_MIN) as u64 * 600;
        assert!(whole - cut_short >= UPLOAD_BYTES_MAX);
    }

    #[test]
    fn a_buffer_is_never_larger_than_its_part() {
        let whole = 8 * MIB;
        let mut buffer = BytesMut::new();
        append(&mut buffer, b"x", whole);
        assert_eq!(buffer.capacity(), BUFFER_BYTES_FIRST);
        for chunk in [100, 255 * 1024, 255 * 1024, 7 * MIB] {
            append(&mut buffer, &vec![1; chunk], whole);
        }
        assert_eq!(buffer.capacity(), whole);
        assert_eq!(buffer.len(), 1 + 100 + 2 * 255 * 1024 + 7 * MIB);
        assert_eq!(buffer[0], b'x');
    }
}
