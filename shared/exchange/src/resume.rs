//! An upload that broke off goes on.

use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{CompletedPart, Part},
};
use bytes::Bytes;
use contract::Folder;

use crate::{Error, TenantFiles, Upload, error::from_sdk};

impl TenantFiles {
    /// Goes on with an upload that was [left](Upload::leave), or that a crash left: with its first parts, which have `stored` bytes together, and
    /// after them the `tail`. Parts behind those are sent again. Without an `upload_id` the tail is all there is.
    ///
    /// [`Error::Missing`]: S3 has no such upload, or no parts of just that size. `begun_as` is the name that it was begun with.
    pub async fn resume(
        &self,
        folder: Folder,
        begun_as: &str,
        upload_id: Option<&str>,
        stored: u64,
        tail: Bytes,
    ) -> Result<Upload, Error> {
        let key = folder.key(begun_as);
        let upload = Upload::new(self.clone(), key.clone());
        let upload = match upload_id {
            None if stored > 0 => return Err(Error::Missing),
            None => upload,
            Some(id) => {
                let parts =
                    Parts::first(self.parts(&key, id, stored).await?, stored).ok_or(Error::Missing)?;
                upload.with_parts(id.to_owned(), parts.0, stored)
            }
        };
        Ok(upload.with_tail(&tail))
    }

    /// Parts of an upload in the order of their numbers, at least as many as have this many bytes.
    pub(crate) async fn parts(&self, key: &str, upload_id: &str, bytes: u64) -> Result<Vec<Part>, Error> {
        let mut found: Vec<Part> = Vec::new();
        let mut marker = None;
        loop {
            let request = self.client().list_parts().bucket(self.bucket()).key(key).upload_id(upload_id);
            let answer = request.set_part_number_marker(marker).send().await.map_err(|error| {
                if error.code() == Some("NoSuchUpload") {
                    Error::Missing
                } else {
                    from_sdk("ListParts")(error)
                }
            })?;
            found.extend_from_slice(answer.parts());
            let listed: u64 = found.iter().map(part_size).sum();
            marker = answer.next_part_number_marker;
            if answer.is_truncated != Some(true) || marker.is_none() || listed >= bytes {
                return Ok(found);
            }
        }
    }
}

fn part_size(part: &Part) -> u64 {
    part.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

struct Parts(Vec<CompletedPart>);

impl Parts {
    /// The first parts, when they follow each other from 1 and end at just this byte.
    fn first(found: Vec<Part>, bytes: u64) -> Option<Self> {
        let mut rest = bytes;
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(found) {
            if rest == 0 {
                break;
            }
            if part.part_number() != Some(number) {
                return None;
            }
            rest = rest.checked_sub(part_size(&part))?;
            parts.push(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(part.e_tag)
                    .set_checksum_crc32(part.checksum_crc32)
                    .build(),
            );
        }
        (rest == 0).then_some(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_end_at_the_byte() {
        for (found, bytes, expected) in [
            (&[][..], 0, Some(0)),
            (&[(1, 8)], 8, Some(1)),
            (&[(1, 8), (2, 8), (3, 5)], 16, Some(2)),
            (&[(1, 8), (2, 8), (3, 5)], 21, Some(3)),
            (&[(1, 8), (2, 8)], 12, None),
            (&[(1, 8), (3, 8)], 16, None),
            (&[(2, 8)], 8, None),
            (&[(1, 8)], 9, None),
            (&[], 1, None),
            (&[(4, 8)], 0, Some(0)),
        ] {
            let parts =
                found.iter().map(|(number, size)| Part::builder().part_number(*number).size(*size).build());
            let first = Parts::first(parts.collect(), bytes).map(|parts| parts.0.len());
            assert_eq!(first, expected, "{found:?} {bytes}");
        }
    }
}
