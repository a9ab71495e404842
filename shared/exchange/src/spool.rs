//! The spool: finished messages between generate and send. Keys are made of ids, always below the tenant's own.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{Delete, ObjectIdentifier},
};
use bytes::Bytes;
use contract::{CampaignId, LaunchId, spool_key, spool_launch_prefix, spool_prefix, spooled_slice};

use crate::{Download, Error, TenantFiles, error::from_sdk, files::taken};

/// A slice is 500 messages of some ten kilobytes, compressed: this is above every slice, and below what a function has as memory.
const SPOOL_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Whether a write made the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It did.
    Created,
    /// One was there already and stays.
    Existed,
}

impl TenantFiles {
    /// Writes a slice unless it is there: an object of the spool is written once.
    pub async fn put_spool_if_absent(
        &self,
        campaign: CampaignId,
        launch: LaunchId,
        slice: i32,
        bytes: impl Into<Bytes>,
    ) -> Result<Written, Error> {
        let answer = self
            .client()
            .put_object()
            .bucket(self.spool_bucket())
            .key(spool_key(self.tenant(), campaign, launch, slice))
            .if_none_match("*")
            .body(ByteStream::from(bytes.into()))
            .send()
            .await
            .map_err(from_sdk("PutObject"))
            .map_err(|error| taken(error, true));
        match answer {
            Ok(_) => Ok(Written::Created),
            Err(Error::Exists) => Ok(Written::Existed),
            Err(error) => Err(error),
        }
    }

    /// Reads a slice whole.
    pub async fn get_spool(
        &self,
        campaign: CampaignId,
        launch: LaunchId,
        slice: i32,
    ) -> Result<Bytes, Error> {
        let answer = self
            .client()
            .get_object()
            .bucket(self.spool_bucket())
            .key(spool_key(self.tenant(), campaign, launch, slice))
            .send()
            .await
            .map_err(from_sdk("GetObject"))?;
        Download::new(answer).collect(SPOOL_BYTES_MAX).await
    }

    /// Deletes a slice, there or not.
    pub async fn delete_spool(
        &self,
        campaign: CampaignId,
        launch: LaunchId,
        slice: i32,
    ) -> Result<(), Error> {
        self.client()
            .delete_object()
            .bucket(self.spool_bucket())
            .key(spool_key(self.tenant(), campaign, launch, slice))
            .send()
            .await
            .map_err(from_sdk("DeleteObject"))?;
        Ok(())
    }

    /// Deletes everything of a campaign in the spool. Returns how many objects there were.
    pub async fn delete_spool_of_campaign(&self, campaign: CampaignId) -> Result<u64, Error> {
        self.delete_spool_below(&spool_prefix(self.tenant(), campaign)).await
    }

    /// Deletes everything of a launch in the spool. Returns how many objects there were.
    pub async fn delete_spool_of_launch(&self, campaign: CampaignId, launch: LaunchId) -> Result<u64, Error> {
        self.delete_spool_below(&spool_launch_prefix(self.tenant(), campaign, launch)).await
    }

    /// Deletes everything of the tenant in the spool, tails of its uploads as well. Returns how many objects there were.
    pub async fn delete_spool_of_tenant(&self) -> Result<u64, Error> {
        self.delete_spool_below(&format!("{}/", self.tenant())).await
    }

    /// Every slice of the tenant that stands in the spool.
    pub async fn spooled_slices(&self) -> Result<Vec<(CampaignId, LaunchId, i32)>, Error> {
        let (mut slices, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .client()
                .list_objects_v2()
                .bucket(self.spool_bucket())
                .prefix(format!("{}/", self.tenant()))
                .set_continuation_token(after)
                .send()
                .await
                .map_err(from_sdk("ListObjectsV2"))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            slices.extend(keys.filter_map(|key| spooled_slice(self.tenant(), key)));
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(slices);
            }
        }
    }

    async fn delete_spool_below(&self, prefix: &str) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            // Each page is deleted before the next is asked for, so that page is always the first.
            let page = self
                .client()
                .list_objects_v2()
                .bucket(self.spool_bucket())
                .prefix(prefix)
                .send()
                .await
                .map_err(from_sdk("ListObjectsV2"))?;
            let keys: Vec<_> = page.contents().iter().filter_map(|object| object.key()).collect();
            if keys.is_empty() {
                return Ok(count);
            }
            self.delete_keys(&keys).await?;
            count += keys.len() as u64;
        }
    }

    async fn delete_keys(&self, keys: &[&str]) -> Result<(), Error> {
        const OPERATION: &str = "DeleteObjects";
        let unbuilt = |_| Error::Refused { operation: OPERATION, status: 0, code: "unbuilt".to_owned() };
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(*key).build());
        let objects = objects.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
        let delete = Delete::builder().quiet(true).set_objects(Some(objects)).build().map_err(unbuilt)?;
        let request = self.client().delete_objects().bucket(self.spool_bucket()).delete(delete);
        let answer = request.send().await.map_err(from_sdk(OPERATION))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(error) => Err(Error::Unavailable {
                operation: OPERATION,
                reason: error.code().unwrap_or("unknown").to_owned(),
            }),
        }
    }
}
