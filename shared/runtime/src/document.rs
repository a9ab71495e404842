//! A document in the bucket of settings: what an operator changes without a release, kept by each process and looked at again now and then.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_s3::operation::get_object::GetObjectError;
use tokio::time::timeout;

use crate::{AwsError, Clients};

/// What is known is good for this long.
const KEPT: Duration = Duration::from_mins(10);
/// After a look that came to nothing.
const TRIED_AGAIN: Duration = Duration::from_mins(1);
/// Somebody waits for an answer meanwhile.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// The largest document.
const BYTES_MAX: usize = 512 * 1024;

type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, String> + Send + Sync>;

/// What an object of the bucket of settings says, or what is built in while there is none. One that cannot be had or read changes nothing.
pub struct Document<T> {
    s3: aws_sdk_s3::Client,
    bucket: String,
    key: &'static str,
    read: Read<T>,
    built_in: Arc<T>,
    known: Mutex<Known<T>>,
}

struct Known<T> {
    value: Arc<T>,
    /// When to look again.
    until: Instant,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("the object's body broke off")]
    Body,
    #[error("it has more than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("{0}")]
    NotValid(String),
    #[error("S3 did not answer in time")]
    Timeout,
}

impl<T> Document<T> {
    /// Looks for it once.
    pub async fn open<E: Display + 'static>(
        clients: &Clients,
        bucket: &str,
        key: &'static str,
        built_in: T,
        read: fn(&[u8]) -> Result<T, E>,
    ) -> Self
    where
        T: 'static,
    {
        let built_in = Arc::new(built_in);
        let document = Self {
            s3: clients.s3.clone(),
            bucket: bucket.to_owned(),
            key,
            read: Box::new(move |bytes| read(bytes).map_err(|error| error.to_string())),
            known: Mutex::new(Known { value: built_in.clone(), until: Instant::now() }),
            built_in,
        };
        document.current().await;
        document
    }

    /// What it says, at most ten minutes ago. Whoever comes first after that looks, for a second at most; the others go on with what is known.
    pub async fn current(&self) -> Arc<T> {
        let known = {
            let mut known = self.known();
            let now = Instant::now();
            if now < known.until {
                return known.value.clone();
            }
            known.until = now + KEPT;
            known.value.clone()
        };
        let looked = timeout(LOOK_MAX, self.look()).await.unwrap_or(Err(DocumentError::Timeout));
        match looked {
            Ok(value) => {
                self.known().value = value.clone();
                value
            }
            Err(error) => {
                tracing::warn!(key = self.key, %error, "settings not read: what is known goes on");
                self.known().until = Instant::now() + TRIED_AGAIN;
                known
            }
        }
    }

    async fn look(&self) -> Result<Arc<T>, DocumentError> {
        let mut object = match self.s3.get_object().bucket(&self.bucket).key(self.key).send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return Ok(self.built_in.clone());
            }
            Err(error) => return Err(AwsError::of("GetObject", &error).into()),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|_| DocumentError::Body)?);
            if bytes.len() > BYTES_MAX {
                return Err(DocumentError::TooLarge);
            }
        }
        (self.read)(&bytes).map(Arc::new).map_err(DocumentError::NotValid)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    use axum::{Router, http::StatusCode, routing::get};

    use super::*;

    type Kept = Arc<Mutex<(StatusCode, String)>>;

    /// An S3 with one object.
    async fn s3(kept: Kept) -> Clients {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answer = async move || kept.lock().unwrap().clone();
        let router = Router::new().route("/settings/number", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let sdk = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .region(Region::new("eu-central-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("t", "t", None, None, "t")))
            .build();
        Clients {
            sqs: aws_sdk_sqs::Client::new(&sdk),
            s3: aws_sdk_s3::Client::new(&sdk),
            sns: aws_sdk_sns::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
            sdk,
        }
    }

    fn read(bytes: &[u8]) -> Result<u32, String> {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| "no number".to_owned())
    }

    #[tokio::test]
    async fn what_cannot_be_had_or_read_changes_nothing() {
        let none = "<Error><Code>NoSuchKey</Code></Error>".to_owned();
        let kept: Kept = Arc::new(Mutex::new((StatusCode::NOT_FOUND, none.clone())));
        let clients = s3(kept.clone()).await;
        let document = Document::open(&clients, "settings", "number", 1, read).await;
        assert_eq!(*document.current().await, 1);
        let table = [
            (StatusCode::OK, "2".to_owned(), 2),
            (StatusCode::OK, "two".to_owned(), 2),
            (StatusCode::OK, "3".repeat(BYTES_MAX + 1), 2),
            (StatusCode::INTERNAL_SERVER_ERROR, String::new(), 2),
            (StatusCode::OK, "4".to_owned(), 4),
            (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>".to_owned(), 4),
            // It was taken away.
            (StatusCode::NOT_FOUND, none, 1),
        ];
        for (status, body, expected) in table {
            let before = *document.current().await;
            *kept.lock().unwrap() = (status, body);
            assert_eq!(*document.current().await, before, "{status}: looked too soon");
            document.known().until = Instant::now();
            assert_eq!(*document.current().await, expected, "{status}");
            let next = document.known().until - Instant::now();
            assert!(next > TRIED_AGAIN / 2 && next <= KEPT, "{next:?}");
        }
    }
}
