//! S3 clients whose credentials reach one tenant's data.

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, sts::AssumeRoleProvider};
use aws_sdk_s3::{Client, config::IdentityCache};
use contract::TenantId;
use tokio::sync::Mutex;

use crate::{
    Error, TenantFiles,
    policy::{Scope, bucket_name_is_plain, policy},
};

/// Clients kept at once; one holds credentials and no connection of its own. The one used longest ago goes.
const CLIENTS_MAX: usize = 256;
/// The shortest session that STS gives: what leaks is worth little for long.
const SESSION: Duration = Duration::from_mins(15);
/// New credentials are had this long before the old ones end, so that none ends under a part that is under way.
const RENEW_BEFORE_END: Duration = Duration::from_mins(3);

/// The door to the files of tenants. Clones share one cache of clients.
#[derive(Clone)]
pub struct Exchange {
    shared: Arc<Shared>,
}

struct Shared {
    config: SdkConfig,
    role_arn: String,
    spool_bucket: String,
    /// Most recently used last.
    clients: Mutex<Vec<TenantFiles>>,
}

impl Exchange {
    /// `config` brings the HTTP client, the region and the function's own credentials, with which the role is assumed. With an endpoint
    /// of its own, buckets are addressed by path. No request is made yet.
    pub fn new(config: &SdkConfig, role_arn: &str, spool_bucket: &str) -> Self {
        let shared = Shared {
            config: config.clone(),
            role_arn: role_arn.to_owned(),
            spool_bucket: spool_bucket.to_owned(),
            clients: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The files of one tenant. The role is assumed at the first request, and again before its session ends.
    ///
    /// Fails only for a bucket name that S3 would not allow: it becomes part of the policy.
    pub async fn tenant(&self, tenant: TenantId, bucket: &str) -> Result<TenantFiles, Error> {
        let mut clients = self.shared.clients.lock().await;
        let known = clients.iter().position(|files| files.tenant() == tenant && files.bucket() == bucket);
        let files = if let Some(position) = known {
            clients.remove(position)
        } else {
            if clients.len() >= CLIENTS_MAX {
                clients.remove(0);
            }
            self.shared.open(tenant, bucket).await?
        };
        clients.push(files.clone());
        Ok(files)
    }
}

impl Shared {
    async fn open(&self, tenant: TenantId, bucket: &str) -> Result<TenantFiles, Error> {
        if !bucket_name_is_plain(bucket) || bucket == self.spool_bucket {
            return Err(Error::BucketName);
        }
        let partition = self.role_arn.split(':').nth(1).unwrap_or("aws");
        let scope = Scope { tenant, bucket, spool_bucket: &self.spool_bucket, partition };
        let provider = AssumeRoleProvider::builder(&self.role_arn)
            .configure(&self.config)
            .session_name(format!("tenant-{tenant}"))
            .session_length(SESSION)
            .policy(policy(&scope))
            .build()
            .await;
        let own_endpoint = self.config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .credentials_provider(provider)
            // Not the process's cache: these credentials belong to this client alone.
            .identity_cache(IdentityCache::lazy().buffer_time(RENEW_BEFORE_END).build())
            .force_path_style(own_endpoint)
            .build();
        let client = Client::from_conf(config);
        Ok(TenantFiles::new(client, tenant, bucket, &self.spool_bucket, !own_endpoint))
    }
}
