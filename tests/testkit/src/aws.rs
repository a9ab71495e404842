//! Clients of the stack's LocalStack, with the operator's credentials.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use localstack::Stack;

/// All that tests ask S3, SQS and Secrets Manager.
#[derive(Clone)]
pub struct Aws {
    pub s3: aws_sdk_s3::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub secrets: aws_sdk_secretsmanager::Client,
    pub sdk: SdkConfig,
}

impl Aws {
    pub async fn new(stack: &Stack) -> Self {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&stack.endpoint)
            .credentials_provider(Credentials::new("test", "test", None, None, "testkit"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
            sdk,
        }
    }

    pub async fn secret(&self, name: &str) -> String {
        let answer = self.secrets.get_secret_value().secret_id(name).send().await;
        answer.unwrap_or_else(|error| panic!("the secret {name}: {error:?}")).secret_string.expect("a string")
    }

    pub async fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
        self.s3.put_object().bucket(bucket).key(key).body(bytes.into().into()).send().await.unwrap();
    }

    /// The object's bytes; `None` when there is none.
    pub async fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => Some(object.body.collect().await.unwrap().to_vec()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) =>
            {
                None
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// All keys below a prefix.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let mut pages = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(
                page.unwrap().contents.unwrap_or_default().into_iter().filter_map(|object| object.key),
            );
        }
        keys
    }

    /// Whether a file below a prefix is being uploaded in parts.
    pub async fn is_uploading(&self, bucket: &str, prefix: &str) -> bool {
        let uploads = self.s3.list_multipart_uploads().bucket(bucket).prefix(prefix).send().await.unwrap();
        !uploads.uploads().is_empty()
    }

    pub async fn send(&self, queue_url: &str, body: &str) {
        self.sqs.send_message().queue_url(queue_url).message_body(body).send().await.unwrap();
    }

    /// How many messages wait in a queue, and how many are being worked on.
    pub async fn depth(&self, queue_url: &str) -> (u64, u64) {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(Name::ApproximateNumberOfMessages)
            .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
            .send()
            .await
            .unwrap();
        let attributes: BTreeMap<String, String> = answer
            .attributes
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect();
        let number = |name: &str| attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        (number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible"))
    }

    /// The bodies of a dead letter queue's messages, left in it.
    pub async fn peek(&self, queue_url: &str) -> Vec<String> {
        let answer = self
            .sqs
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .visibility_timeout(0)
            .send()
            .await
            .unwrap();
        answer.messages.unwrap_or_default().into_iter().filter_map(|message| message.body).collect()
    }
}
