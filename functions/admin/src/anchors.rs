//! The anchors of a tenant's receipts, read in the order of their numbers.
//!
//! All versions of an object are read. The lock keeps what was put, but it does not keep anybody who may write to the bucket from putting
//! another version over it, or a deletion's mark.

use std::collections::VecDeque;

use aws_sdk_s3::types::ObjectVersion;
use contract::{ANCHOR_BYTES_MAX, Anchor, TenantId, anchor_prefix, anchored_number};
use futures_util::{StreamExt, TryStreamExt, stream};
use runtime::AwsError;
use store::receipts::Head;

use crate::{Admin, AdminError};

/// Objects of one listing: in memory are the heads of one.
const ANCHORS_PER_PAGE: i32 = 100;
/// Objects that are read at once.
const READS_AT_ONCE: usize = 32;

/// What stands in the bucket below the tenant's prefix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A head.
    Head(Head),
    /// An object that is no anchor of this tenant, by its key. None of ours puts one.
    Foreign(String),
}

/// All of them, page by page.
pub(crate) struct Anchors<'a> {
    admin: &'a Admin,
    tenant: TenantId,
    page: VecDeque<Kept>,
    /// The last key and version of the page before.
    after: Option<(String, Option<String>)>,
    ended: bool,
}

impl<'a> Anchors<'a> {
    pub(crate) fn new(admin: &'a Admin, tenant: TenantId) -> Self {
        Self { admin, tenant, page: VecDeque::new(), after: None, ended: false }
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Result<Option<Kept>, AdminError> {
        while self.page.is_empty() && !self.ended {
            self.turn().await?;
        }
        Ok(self.page.pop_front())
    }

    async fn turn(&mut self) -> Result<(), AdminError> {
        let (key, version) = self.after.take().unzip();
        let request = self.admin.clients.s3.list_object_versions().bucket(&self.admin.anchors_bucket);
        let listing = request
            .prefix(anchor_prefix(self.tenant))
            .max_keys(ANCHORS_PER_PAGE)
            .set_key_marker(key)
            .set_version_id_marker(version.flatten())
            .send()
            .await
            .map_err(|error| AwsError::of("ListObjectVersions", &error))?;
        self.after = listing.next_key_marker.map(|key| (key, listing.next_version_id_marker));
        self.ended = listing.is_truncated != Some(true) || self.after.is_none();
        let this = &*self;
        let reads = stream::iter(listing.versions.unwrap_or_default());
        let reads = reads.map(|version| async move { this.read(&version).await });
        self.page = reads.buffered(READS_AT_ONCE).try_collect().await?;
        Ok(())
    }

    async fn read(&self, version: &ObjectVersion) -> Result<Kept, AdminError> {
        let key = version.key().unwrap_or_default();
        let foreign = || Kept::Foreign(key.to_owned());
        let Some(number) = anchored_number(self.tenant, key) else { return Ok(foreign()) };
        if version.size().is_none_or(|size| size > ANCHOR_BYTES_MAX) {
            return Ok(foreign());
        }
        let request = self.admin.clients.s3.get_object().bucket(&self.admin.anchors_bucket).key(key);
        let object = request
            .set_version_id(version.version_id.clone())
            .send()
            .await
            .map_err(|error| AwsError::of("GetObject", &error))?;
        let body = object.body.collect().await.map_err(|_| AdminError::Cut)?.to_vec();
        Ok(head(&body, self.tenant, number).map_or_else(foreign, Kept::Head))
    }
}

/// What an object says, where it says what its key says.
fn head(body: &[u8], tenant: TenantId, number: i64) -> Option<Head> {
    let anchor: Anchor = serde_json::from_slice(body).ok()?;
    Head::of(&anchor).filter(|head| anchor.tenant == tenant && head.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_says_what_its_key_says() {
        let digest = "00".repeat(32);
        let body = |tenant: i64, number: i64, digest: &str| {
            format!(
                r#"{{"tenant":{tenant},"number":{number},"digest":"{digest}","at":"2026-11-23T12:00:00Z"}}"#
            )
        };
        let known = Head { number: 4, digest: vec![0; 32] };
        for (body, expected) in [
            (body(7, 4, &digest), Some(known)),
            (body(8, 4, &digest), None),
            (body(7, 5, &digest), None),
            (body(7, 4, &digest[2..]), None),
            ("{}".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(head(body.as_bytes(), TenantId(7), 4), expected, "{body}");
        }
    }
}
