//! Whether a file is the one that an upload was to make: told by the upload's mark, when the answer that would have told it was lost, or
//! when whoever should have heard it crashed.

use aws_sdk_s3::types::CompletedPart;
use contract::Folder;
use md5::{Digest, Md5};
use time::OffsetDateTime;

use crate::{Error, Stored, TenantFiles};

/// Metadata of what an upload makes: when that was begun, in Unix microseconds.
pub(crate) const BEGUN: &str = "broadcast-begun";

const MD5_BYTES: usize = 16;

/// An upload that was left, as far as it is known.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// The name that it has by now, below `Incoming`.
    pub name: &'a str,
    /// The name that it was begun with: its object's, when it was completed.
    pub begun_as: &'a str,
    /// `None`: it had no part, and would be completed by one request.
    pub upload_id: Option<&'a str>,
    /// What it was [marked](crate::Upload::begun_at) with.
    pub begun_at: OffsetDateTime,
}

/// The mark of an upload. Postgres keeps microseconds, so it is the same when it was read back.
pub(crate) fn mark(begun_at: OffsetDateTime) -> String {
    begun_at.unix_timestamp_nanos().div_euclid(1000).to_string()
}

impl TenantFiles {
    /// Whether nobody can go on with an upload any more: it was completed, or S3 has given its parts up.
    pub async fn is_over(&self, left: &Left<'_>) -> Result<bool, Error> {
        let Some(upload_id) = left.upload_id else { return self.stands(left.name, left).await };
        match self.parts(&Folder::Incoming.key(left.begun_as), upload_id, 0).await {
            Ok(_) => Ok(false),
            Err(Error::Missing) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Gives an upload that was renamed while it was under way its name, when it was completed and does not have it yet.
    pub async fn give_name(&self, left: &Left<'_>) -> Result<(), Error> {
        if left.begun_as == left.name || !self.stands(left.begun_as, left).await? {
            return Ok(());
        }
        let (from, to) = ((Folder::Incoming, left.begun_as), (Folder::Incoming, left.name));
        match self.rename(from, to, true).await {
            // Somebody else has given it.
            Ok(_) | Err(Error::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether what stands under a name was made by this upload.
    async fn stands(&self, name: &str, left: &Left<'_>) -> Result<bool, Error> {
        let found = self.head_noted(&Folder::Incoming.key(name), BEGUN).await?;
        Ok(found.and_then(|(_, note)| note).is_some_and(|note| note == mark(left.begun_at)))
    }

    /// After an answer that does not say whether the file was made (none in time; to a second attempt that the upload is gone, or the name
    /// taken): looks whether it stands there, with this mark and just this content. Otherwise it is the `error`.
    pub(crate) async fn made_in_spite_of(
        &self,
        error: Error,
        key: &str,
        mark: &str,
        made: Stored,
    ) -> Result<Stored, Error> {
        if !matches!(error, Error::Unavailable { .. } | Error::Exists) {
            return Err(error);
        }
        match self.head_noted(key, BEGUN).await {
            Ok(Some((meta, Some(note))))
                if note == mark && meta.etag == made.etag && meta.size == made.size =>
            {
                tracing::info!(tenant = self.tenant().0, %error, "a file was stored, though S3's answer did not come");
                Ok(made)
            }
            _ => Err(error),
        }
    }
}

/// The `ETag` of an object that is put with one request: its MD5. So it is in buckets that S3 encrypts with keys of its own, as ours are.
pub(crate) fn etag(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// The `ETag` of an object that is made of these parts: the MD5 of their MD5s, and their number. Empty, which no object has, when theirs are
/// no MD5s.
pub(crate) fn etag_of_parts(parts: &[CompletedPart]) -> String {
    let mut all = Md5::new();
    for part in parts {
        let Some(digest) = part.e_tag().and_then(unhex) else { return String::new() };
        all.update(digest);
    }
    format!("{}-{}", hex(&all.finalize()), parts.len())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(etag: &str) -> Option<[u8; MD5_BYTES]> {
    let digits = etag.trim_matches('"').as_bytes();
    let mut bytes = [0; MD5_BYTES];
    if digits.len() != 2 * MD5_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_mark_is_the_same_after_postgres() {
        assert_eq!(mark(datetime!(2026-11-24 01:02:03.123_456_789 UTC)), "1795482123123456");
        assert_eq!(mark(datetime!(2026-11-24 01:02:03.123_456 UTC)), "1795482123123456");
    }

    #[test]
    fn an_etag_is_made_of_those_of_the_parts() {
        assert_eq!(etag(b""), "d41d8cd98f00b204e9800998ecf8427e");
        let of = |etags: &[&str]| {
            let parts = etags.iter().map(|etag| CompletedPart::builder().e_tag(*etag).build());
            etag_of_parts(&parts.collect::<Vec<_>>())
        };
        let empty = "\"d41d8cd98f00b204e9800998ecf8427e\"";
        assert_eq!(of(&[empty]), "59adb24ef3cdbe0297f05b395827453f-1");
        assert_ne!(of(&[empty, empty]), of(&[empty]));
        for other in
            ["", "\"abc\"", "\"d41d8cd98f00b204e9800998ecf8427x\"", "d41d8cd98f00b204e9800998ecf8427e-2"]
        {
            assert_eq!(of(&[empty, other]), "", "{other}");
        }
    }
}
