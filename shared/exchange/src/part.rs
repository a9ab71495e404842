//! How an upload is cut, and how much of it is in memory.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedPart},
};
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::{Error, TenantFiles, error::from_sdk};

const MIB: usize = 1024 * 1024;
/// S3's: every part but the last has at least this much.
pub(crate) const PART_BYTES_MIN: usize = 5 * MIB;
/// The first parts are small: a file of a few megabytes needs one request, and several of them go at once.
const PART_BYTES_FIRST: usize = 8 * MIB;
/// Of these, one is still filled while another goes.
const PART_BYTES_NEXT: usize = 12 * MIB;
/// Parts grow so that S3's 10,000 of them hold the largest file.
pub(crate) const PART_BYTES_LAST: usize = 32 * MIB;
/// The last part of the first size, at 8 GB.
const PART_FIRST_MAX: i32 = 1000;
/// The last part of the next size, at 18 GB. More of them would leave too little for the largest file.
const PART_NEXT_MAX: i32 = 1800;
/// S3's.
pub(crate) const PARTS_MAX: i32 = 10_000;
/// What 10,000 such parts hold is 273 GiB; 256 GiB is the round number below. The rest is for parts that are cut short where an upload
/// breaks off or is synced: some 600 of those, and at least 5 MiB each, fit into the largest file.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 256 * 1024 * 1024 * 1024;
/// What one upload holds in memory, parts under way and the one being filled: three of the first size, two of the next. With what a
/// connection buffers it stays within 32 MiB. Of the last size, above 18 GB, it is one whole part: the next is filled only when it has gone, which
/// costs the time of filling it, a tenth of a second in 32 MiB at the speed of a fast connection.
const MEMORY_BYTES_MAX: usize = 24 * MIB;

/// What the part with this number has, unless it is the last one or cut short.
pub(crate) fn part_bytes(number: i32) -> usize {
    if number <= PART_FIRST_MAX {
        PART_BYTES_FIRST
    } else if number <= PART_NEXT_MAX {
        PART_BYTES_NEXT
    } else {
        PART_BYTES_LAST
    }
}

/// How many parts may be under way when another one of this size is begun. One that was cut short counts as much: its memory was filled before.
pub(crate) fn parts_under_way_max(size: usize) -> usize {
    (MEMORY_BYTES_MAX / size).saturating_sub(1)
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
        for (number, mib, under_way) in
            [(1, 8, 2), (1000, 8, 2), (1001, 12, 1), (1800, 12, 1), (1801, 32, 0), (PARTS_MAX, 32, 0)]
        {
            let size = part_bytes(number);
            assert_eq!((size, parts_under_way_max(size)), (mib * MIB, under_way), "{number}");
        }
        let whole: u64 = (1..=PARTS_MAX).map(|number| part_bytes(number) as u64).sum();
        assert!(whole >= UPLOAD_BYTES_MAX);
        let cut_short = (PART_BYTES_LAST - PART_BYTES_MIN) as u64 * 600;
        assert!(whole - cut_short >= UPLOAD_BYTES_MAX);
    }
}
