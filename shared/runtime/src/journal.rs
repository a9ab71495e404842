//! The objects of the journal: what must survive a restore of the database. Numbered without end, written once, never changed.

use aws_sdk_s3::Client;
use contract::{journal_key, journal_number};

use crate::{AwsError, Clients};

/// What S3 answers where the object is there.
const THERE_ALREADY: &str = "PreconditionFailed";

/// The bucket of the journal.
#[derive(Clone)]
pub struct Journal {
    s3: Client,
    bucket: String,
}

impl Journal {
    /// With the function's own credentials: the journal is of all tenants.
    pub fn new(clients: &Clients, bucket: &str) -> Self {
        Self { s3: clients.s3.clone(), bucket: bucket.to_owned() }
    }

    /// The numbers that follow one, in their order: the first thousand of them.
    pub async fn after(&self, number: i64) -> Result<Vec<i64>, AwsError> {
        let request = self.s3.list_objects_v2().bucket(&self.bucket).start_after(journal_key(number));
        let page = request.send().await.map_err(|error| AwsError::of("ListObjectsV2", &error))?;
        Ok(page.contents().iter().filter_map(|object| journal_number(object.key()?)).collect())
    }

    /// Puts an object; `false`: one of this number is there, and stays.
    pub async fn put(&self, number: i64, lines: String) -> Result<bool, AwsError> {
        let object = self.s3.put_object().bucket(&self.bucket).key(journal_key(number)).if_none_match("*");
        match object.body(lines.into_bytes().into()).send().await {
            Ok(_) => Ok(true),
            Err(error) => match AwsError::of("PutObject", &error) {
                error if error.code() == Some(THERE_ALREADY) => Ok(false),
                error => Err(error),
            },
        }
    }

    /// The bytes of an object.
    pub async fn read(&self, number: i64) -> Result<Vec<u8>, AwsError> {
        let request = self.s3.get_object().bucket(&self.bucket).key(journal_key(number));
        let object = request.send().await.map_err(|error| AwsError::of("GetObject", &error))?;
        let cut_off = |_| AwsError::Call { operation: "GetObject", code: "cut off".to_owned() };
        Ok(object.body.collect().await.map_err(cut_off)?.to_vec())
    }
}
