//! AWS clients, made once per process over one HTTP client and its one TLS stack.

use std::time::Duration;

use access::MasterKey;
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use contract::TenantId;
use fault::{Disposition, Fault};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::Config;

/// AWS answers within milliseconds; whoever does not accept a connection in this time is down.
const CONNECT_SECONDS_MAX: u64 = 3;
/// From the end of a request to the first byte of the answer; a multipart upload's completion is the slowest.
const READ_SECONDS_MAX: u64 = 30;
/// Of one AWS call, by the SDK, with its own backoff.
const CALL_ATTEMPTS_MAX: u32 = 4;
/// What SQS accepts in one call.
const BATCH_MESSAGES_MAX: usize = 10;
/// Batches under way for messages of many tenants: those of ten thousand take a few seconds.
const BATCHES_AT_ONCE: usize = 8;
/// How often what SQS refused of a batch is sent again: throttling of single entries is over within a second.
const BATCH_ATTEMPTS_MAX: u32 = 4;
/// Doubles with each attempt.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// What went wrong with AWS. Codes alone: messages of S3 quote keys, and keys are customers' file names.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// A call failed.
    #[error("{operation} failed: {code}")]
    Call {
        /// The API operation.
        operation: &'static str,
        /// The service's error code, or what kept the call from an answer.
        code: String,
    },
    /// A queue went on refusing some of the messages.
    #[error("SendMessageBatch left {left} messages unsent: {code}")]
    Unsent {
        /// How many.
        left: usize,
        /// The first one's error code.
        code: String,
    },
    /// A secret exists without a string.
    #[error("the secret has no string value")]
    SecretEmpty,
    /// The master key's secret is not 32 bytes in base64.
    #[error("the master key is not valid")]
    MasterKey,
    /// A message could not be written as JSON.
    #[error("a message could not be written as JSON")]
    Json,
}

impl AwsError {
    /// The error of one call, without what it was about.
    pub fn of<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        let code = match error {
            SdkError::TimeoutError(_) => "timed out".to_owned(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => "connecting timed out".to_owned(),
            SdkError::DispatchFailure(_) => "no connection".to_owned(),
            SdkError::ResponseError(_) => "unreadable answer".to_owned(),
            SdkError::ServiceError(_) => error.code().unwrap_or("no error code").to_owned(),
            _ => "the request could not be built".to_owned(),
        };
        Self::Call { operation, code }
    }

    /// The service's error code, such as `BucketAlreadyOwnedByYou`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Call { code, .. } | Self::Unsent { code, .. } => Some(code),
            Self::SecretEmpty | Self::MasterKey | Self::Json => None,
        }
    }
}

impl Fault for AwsError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Call { .. } | Self::Unsent { .. } => Disposition::RETRY,
            Self::SecretEmpty | Self::MasterKey | Self::Json => Disposition::Permanent,
        }
    }
}

/// The function's own clients. A tenant's files are reached through `exchange` alone, with credentials of the tenant.
#[derive(Clone, Debug)]
pub struct Clients {
    /// What all clients are made from.
    pub sdk: SdkConfig,
    /// Queues.
    pub sqs: aws_sdk_sqs::Client,
    /// Buckets of the deployment, with the function's own credentials.
    pub s3: aws_sdk_s3::Client,
    /// Texts to phones.
    pub sns: aws_sdk_sns::Client,
    /// Session credentials.
    pub sts: aws_sdk_sts::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
}

impl Clients {
    /// Clients for the region, credentials and endpoint of the environment.
    pub async fn new(config: &Config) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .read_timeout(Duration::from_secs(READ_SECONDS_MAX))
            .build();
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(CALL_ATTEMPTS_MAX))
            .load()
            .await;
        // Buckets are names of hosts on AWS; a local endpoint has one host for all.
        let s3 =
            aws_sdk_s3::config::Builder::from(&sdk).force_path_style(config.endpoint_url().is_some()).build();
        Self {
            sqs: aws_sdk_sqs::Client::new(&sdk),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sns: aws_sdk_sns::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
            sdk,
        }
    }

    /// A secret's string, where there is such a secret.
    pub async fn find_secret(&self, name: &str) -> Result<Option<String>, AwsError> {
        match self.secrets.get_secret_value().secret_id(name).send().await {
            Ok(secret) => secret.secret_string.map(Some).ok_or(AwsError::SecretEmpty),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(AwsError::of("GetSecretValue", &error)),
        }
    }

    /// The string of a secret that must be there.
    pub async fn secret(&self, name: &str) -> Result<String, AwsError> {
        self.find_secret(name).await?.ok_or_else(|| AwsError::Call {
            operation: "GetSecretValue",
            code: "ResourceNotFoundException".to_owned(),
        })
    }

    /// The installation's root secret.
    pub async fn master_key(&self, name: &str) -> Result<MasterKey, AwsError> {
        MasterKey::from_base64(&self.secret(name).await?).map_err(|_| AwsError::MasterKey)
    }

    /// Sends a text to a phone, a number in E.164. It says what only its owner may know: the error names neither.
    pub async fn send_text(&self, phone: &str, text: &str) -> Result<(), AwsError> {
        let call = self.sns.publish().phone_number(phone).message(text);
        // Codes go the way that is delivered soonest, not the cheapest.
        let kind = aws_sdk_sns::types::MessageAttributeValue::builder()
            .data_type("String")
            .string_value("Transactional")
            .build()
            .map_err(|_| AwsError::Call {
                operation: "Publish",
                code: "the request could not be built".to_owned(),
            })?;
        let call = call.message_attributes("AWS.SNS.SMS.SMSType", kind);
        call.send().await.map_err(|error| AwsError::of("Publish", &error))?;
        Ok(())
    }

    /// Puts one message on a queue. The tenant is the message group, so that one tenant's backlog does not hold up the others.
    pub async fn send_json<T: Serialize>(
        &self,
        queue_url: &str,
        tenant: TenantId,
        message: &T,
    ) -> Result<(), AwsError> {
        self.sqs
            .send_message()
            .queue_url(queue_url)
            .message_body(serde_json::to_string(message).map_err(|_| AwsError::Json)?)
            .message_group_id(tenant.to_string())
            .send()
            .await
            .map_err(|error| AwsError::of("SendMessage", &error))?;
        Ok(())
    }

    /// Puts a message on a queue that only makes something quicker: a schedule finds the work without it. A failure is logged, since what
    /// it was about is committed.
    pub async fn nudge<T: Serialize>(&self, queue_url: &str, tenant: TenantId, message: &T) {
        if let Err(error) = self.send_json(queue_url, tenant, message).await {
            tracing::warn!(%tenant, %error, "a nudge was not sent: the schedule finds its work");
        }
    }

    /// Puts any number of messages on a queue. After an error some of them are there: receivers are idempotent.
    pub async fn send_batch<T: Serialize>(
        &self,
        queue_url: &str,
        tenant: TenantId,
        messages: &[T],
    ) -> Result<(), AwsError> {
        for chunk in messages.chunks(BATCH_MESSAGES_MAX) {
            let entries = entries(chunk.iter().map(|message| (tenant, message)))?;
            self.send_entries(queue_url, entries).await?;
        }
        Ok(())
    }

    /// Puts messages of any number of tenants on a queue, in about their order. After an error some of them are there.
    pub async fn send_to_tenants<T: Serialize>(
        &self,
        queue_url: &str,
        messages: &[(TenantId, T)],
    ) -> Result<(), AwsError> {
        let batches = messages.chunks(BATCH_MESSAGES_MAX);
        let batches = batches.map(|chunk| entries(chunk.iter().map(|(tenant, message)| (*tenant, message))));
        let batches: Vec<_> = batches.collect::<Result<_, _>>()?;
        let sent = stream::iter(batches).map(|entries| self.send_entries(queue_url, entries));
        sent.buffer_unordered(BATCHES_AT_ONCE).try_collect().await
    }

    async fn send_entries(
        &self,
        queue_url: &str,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<(), AwsError> {
        let mut attempt = 1;
        loop {
            let call = self.sqs.send_message_batch().queue_url(queue_url);
            let answer = call
                .set_entries(Some(entries.clone()))
                .send()
                .await
                .map_err(|error| AwsError::of("SendMessageBatch", &error))?;
            entries.retain(|entry| answer.failed().iter().any(|failed| failed.id() == entry.id()));
            if entries.is_empty() {
                return Ok(());
            }
            if attempt == BATCH_ATTEMPTS_MAX {
                let code = answer.failed().first().map_or("", |failed| failed.code()).to_owned();
                return Err(AwsError::Unsent { left: entries.len(), code });
            }
            tokio::time::sleep(BATCH_PAUSE * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }
}

fn entries<'m, T: Serialize + 'm>(
    messages: impl Iterator<Item = (TenantId, &'m T)>,
) -> Result<Vec<SendMessageBatchRequestEntry>, AwsError> {
    let entry = |(number, (tenant, message)): (usize, (TenantId, &T))| {
        SendMessageBatchRequestEntry::builder()
            .id(number.to_string())
            .message_body(serde_json::to_string(message).map_err(|_| AwsError::Json)?)
            .message_group_id(tenant.to_string())
            .build()
            .map_err(|_| AwsError::Json)
    };
    messages.enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use contract::SendMessage;

    use super::*;

    #[test]
    fn a_batch_names_its_entries_and_groups_them_by_tenant() {
        let message = |slice| SendMessage::Slice {
            tenant: TenantId(7),
            campaign: contract::CampaignId(1),
            launch: contract::LaunchId(2),
            slice,
        };
        let messages = [message(0), message(1)];
        let entries = entries(messages.iter().map(|message| (TenantId(7), message))).unwrap();
        assert_eq!(entries.iter().map(SendMessageBatchRequestEntry::id).collect::<Vec<_>>(), ["0", "1"]);
        assert!(entries.iter().all(|entry| entry.message_group_id() == Some("7")));
        assert_eq!(serde_json::from_str::<SendMessage>(entries[1].message_body()).unwrap(), message(1));
    }
}
