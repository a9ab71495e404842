//! As much of S3, STS and SQS as a sweep meets, from memory and as fast as a socket. Every request is counted by its operation: on AWS each of
//! them is paid for and takes its time, whatever it takes here.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use serde_json::{Value, json};
use time::{
    OffsetDateTime,
    format_description::{FormatItem, well_known::Rfc3339},
    macros::format_description,
};

use crate::{Result, cloud::serve, s3::ASSUMED_ROLE};

/// As S3 lists.
const PAGE_KEYS: usize = 1000;
const HTTP_DATE: &[FormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Requests by operation.
pub type Requests = BTreeMap<&'static str, u64>;

/// Those of S3 alone.
pub fn of_s3(requests: &Requests) -> u64 {
    let s3 = requests
        .iter()
        .filter(|(operation, _)| !matches!(**operation, "AssumeRole" | "SendMessage" | "SendMessageBatch"));
    s3.map(|(_, count)| count).sum()
}

/// What the function's variables name.
const COMMON_BUCKETS: [&str; 3] = ["bench-spool", "bench-reports", "bench-journal"];

/// A bucket of all tenants.
fn common(bucket: &str) -> Option<&'static str> {
    COMMON_BUCKETS.into_iter().find(|common| *common == bucket)
}

/// The server. Clones are the same one.
#[derive(Clone, Default)]
pub struct Cloud {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By bucket and key, `bucket/key`.
    objects: BTreeMap<String, Object>,
    /// The rules that were put last. Those of one tenant's bucket stand for every tenant's: all have the same settings.
    rules: BTreeMap<Option<&'static str>, Bytes>,
    requests: Requests,
    messages: usize,
}

struct Object {
    etag: String,
    modified: OffsetDateTime,
}

impl Cloud {
    /// Serves until the process ends; returns the endpoint.
    pub async fn start(&self) -> Result<String> {
        let cloud = self.clone();
        let address = serve(move |request| {
            let cloud = cloud.clone();
            async move { cloud.answer(request).await }
        });
        Ok(format!("http://{}", address.await?))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts an object that has stood there since `modified`; `path` is `bucket/key`.
    pub fn put(&self, path: String, etag: String, modified: OffsetDateTime) {
        self.with(|state| state.objects.insert(path, Object { etag, modified }));
    }

    /// Forgets all objects.
    pub fn clear(&self) {
        self.with(|state| state.objects.clear());
    }

    /// How many objects of a bucket and folder there are, and the time of the oldest.
    pub fn remaining(&self, prefix: &str) -> (usize, Option<OffsetDateTime>) {
        self.with(|state| {
            let objects = || state.objects.iter().filter(|(path, _)| path.starts_with(prefix));
            (objects().count(), objects().map(|(_, object)| object.modified).min())
        })
    }

    /// What was asked since the last time, and how many messages were put on queues.
    pub fn take_counts(&self) -> (Requests, usize) {
        self.with(|state| (std::mem::take(&mut state.requests), std::mem::take(&mut state.messages)))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        // Keys here need no other encoding.
        let query = parts.uri.query().unwrap_or_default().replace("%2F", "/");
        let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let path = parts.uri.path().trim_matches('/');
        let of_bucket = !path.contains('/');
        let (operation, answer) = match parts.method.as_str() {
            "POST" if path.is_empty() => self.other(target, &body),
            "GET" if asks("list-type") => ("ListObjectsV2", xml(self.list(path, &query))),
            "GET" if asks("uploads") => (
                "ListMultipartUploads",
                xml(
                    "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
                ),
            ),
            "GET" if asks("versioning") => ("GetBucketVersioning", xml("<VersioningConfiguration/>")),
            "GET" if asks("lifecycle") => ("GetBucketLifecycleConfiguration", self.rules(path)),
            "PUT" if asks("lifecycle") => {
                self.with(|state| state.rules.insert(common(path), body));
                ("PutBucketLifecycleConfiguration", respond(StatusCode::OK, Bytes::new()))
            }
            "HEAD" if !of_bucket => ("HeadObject", self.head(path)),
            // A head of the chain of receipts: who asks for it later asks the database here.
            "PUT" if !of_bucket => ("PutObject", respond(StatusCode::OK, Bytes::new())),
            "DELETE" if !of_bucket => {
                self.with(|state| state.objects.remove(path));
                ("DeleteObject", respond(StatusCode::NO_CONTENT, Bytes::new()))
            }
            _ => ("unknown", respond(StatusCode::NOT_IMPLEMENTED, Bytes::new())),
        };
        self.with(|state| *state.requests.entry(operation).or_default() += 1);
        answer
    }

    /// A role of STS, or a queue, which takes everything.
    fn other(&self, target: Option<&str>, body: &[u8]) -> (&'static str, Response<Full<Bytes>>) {
        let Some(target) = target else { return ("AssumeRole", xml(ASSUMED_ROLE)) };
        let sent = |id: &Value| json!({"Id": id, "MessageId": "1", "MD5OfMessageBody": "0"});
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let entries = asked["Entries"].as_array();
        self.with(|state| state.messages += entries.map_or(1, Vec::len));
        let (operation, answer) = match entries {
            Some(entries) => {
                let sent: Vec<Value> = entries.iter().map(|entry| sent(&entry["Id"])).collect();
                ("SendMessageBatch", json!({"Successful": sent, "Failed": []}))
            }
            None => ("SendMessage", sent(&Value::Null)),
        };
        if target.ends_with(operation) {
            (operation, respond(StatusCode::OK, answer.to_string().into()))
        } else {
            ("unknown", respond(StatusCode::NOT_IMPLEMENTED, Bytes::new()))
        }
    }

    fn rules(&self, bucket: &str) -> Response<Full<Bytes>> {
        match self.with(|state| state.rules.get(&common(bucket)).cloned()) {
            Some(rules) => xml(rules),
            None => respond(
                StatusCode::NOT_FOUND,
                "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>".into(),
            ),
        }
    }

    fn head(&self, path: &str) -> Response<Full<Bytes>> {
        let found =
            self.with(|state| state.objects.get(path).map(|object| (object.etag.clone(), object.modified)));
        let Some((etag, modified)) = found else { return respond(StatusCode::NOT_FOUND, Bytes::new()) };
        let answer = Response::builder()
            .header(header::ETAG, format!("\"{etag}\""))
            .header(header::CONTENT_LENGTH, 1)
            .header(header::LAST_MODIFIED, modified.format(HTTP_DATE).unwrap_or_default());
        answer.body(Full::default()).unwrap_or_default()
    }

    fn list(&self, bucket: &str, query: &str) -> String {
        let asked = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let prefix = format!("{bucket}/{}", asked("prefix"));
        // The token is the last key of the page before.
        let from = match asked("continuation-token") {
            "" => Bound::Included(prefix.clone()),
            token => Bound::Excluded(format!("{bucket}/{token}")),
        };
        self.with(|state| {
            let mut rest = state
                .objects
                .range((from, Bound::Unbounded))
                .take_while(|(path, _)| path.starts_with(&prefix))
                .map(|(path, object)| (&path[bucket.len() + 1..], object));
            let (mut contents, mut count, mut last) = (String::new(), 0, "");
            for (key, Object { etag, modified }) in rest.by_ref().take(PAGE_KEYS) {
                let modified = modified.format(&Rfc3339).unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = write!(
                    contents,
                    "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>&quot;{etag}&quot;</ETag>\
                     <Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
                );
                (count, last) = (count + 1, key);
            }
            let more = rest.next().is_some();
            let token = if more {
                format!("<NextContinuationToken>{last}</NextContinuationToken>")
            } else {
                String::new()
            };
            format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>{more}</IsTruncated>\
                 <KeyCount>{count}</KeyCount>{token}{contents}</ListBucketResult>"
            )
        })
    }
}

fn xml(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = respond(StatusCode::OK, body.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/xml"));
    answer
}

fn respond(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer
}
