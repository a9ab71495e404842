//! A store without a disk: uploads are counted and dropped, downloads are made. Objects are names, sizes and tags.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::{Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CommonPrefix, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput,
        GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
        ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput,
        PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

/// After so many bytes the made content begins anew; no power of two, so that no part begins as another does.
const PERIOD_BYTES: usize = 1_000_003;
/// What one write to the socket gets at most.
const CHUNK_BYTES: u64 = 256 * 1024;
/// As S3 lists.
const PAGE_KEYS: usize = 1000;

/// The content of every object from `offset` on, some of it.
pub fn content(offset: u64, length: u64) -> Bytes {
    static PERIOD: OnceLock<Bytes> = OnceLock::new();
    let period = PERIOD.get_or_init(|| {
        let (mut bytes, mut state) = (BytesMut::with_capacity(PERIOD_BYTES + 8), 0x9e37_79b9_7f4a_7c15_u64);
        while bytes.len() < PERIOD_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(PERIOD_BYTES);
        bytes.freeze()
    });
    let from = usize::try_from(offset % PERIOD_BYTES as u64).unwrap_or_default();
    let length = usize::try_from(length.min(CHUNK_BYTES)).unwrap_or_default();
    period.slice(from..PERIOD_BYTES.min(from + length))
}

#[derive(Clone, Copy)]
struct Stored {
    size: u64,
    number: u64,
    at: SystemTime,
}

impl Stored {
    /// No MD5, and nobody takes it for one.
    fn etag(&self) -> ETag {
        ETag::Strong(format!("endless-{}", self.number))
    }
}

#[derive(Default)]
struct State {
    numbers: u64,
    objects: BTreeMap<(String, String), Stored>,
    uploads: HashMap<String, BTreeMap<i32, u64>>,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn store(&mut self, bucket: String, key: String, size: u64) -> Stored {
        let stored = Stored { size, number: self.number(), at: SystemTime::now() };
        self.objects.insert((bucket, key), stored);
        stored
    }
}

/// The store.
#[derive(Default)]
pub struct Endless {
    state: Mutex<State>,
}

impl Endless {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        let found = self.with(|state| state.objects.get(&(bucket.to_owned(), key.to_owned())).copied());
        found.ok_or_else(|| s3_error!(NoSuchKey))
    }
}

async fn count(body: Option<StreamingBlob>) -> S3Result<u64> {
    let (mut size, Some(mut body)) = (0, body) else { return Ok(0) };
    while let Some(chunk) = body.next().await {
        size += chunk.map_err(|_| s3_error!(IncompleteBody))?.len() as u64;
    }
    Ok(size)
}

fn signed(size: u64) -> Option<i64> {
    i64::try_from(size).ok()
}

#[async_trait::async_trait]
impl S3 for Endless {
    async fn create_bucket(
        &self,
        _: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, _: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let size = count(input.body).await?;
        let stored = self.with(|state| state.store(input.bucket, input.key, size));
        let e_tag = Some(stored.etag());
        Ok(S3Response::new(PutObjectOutput {
            e_tag,
            checksum_crc32: input.checksum_crc32,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let upload_id = self.with(|state| {
            let id = state.number().to_string();
            state.uploads.insert(id.clone(), BTreeMap::new());
            id
        });
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(request.input.bucket),
            key: Some(request.input.key),
            upload_id: Some(upload_id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let size = count(input.body).await?;
        self.with(|state| {
            let parts = state.uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
            parts.insert(input.part_number, size);
            Ok(S3Response::new(UploadPartOutput {
                e_tag: Some(ETag::Strong(format!("part-{}", input.part_number))),
                checksum_crc32: input.checksum_crc32,
                ..Default::default()
            }))
        })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        self.with(|state| {
            let parts = state.uploads.remove(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
            let stored = state.store(input.bucket, input.key, parts.values().sum());
            Ok(S3Response::new(CompleteMultipartUploadOutput {
                e_tag: Some(stored.etag()),
                ..Default::default()
            }))
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.with(|state| state.uploads.remove(&request.input.upload_id));
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let stored = self.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: signed(stored.size),
            e_tag: Some(stored.etag()),
            last_modified: Some(stored.at.into()),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let stored = self.find(&input.bucket, &input.key)?;
        let range = input.range.map(|range| range.check(stored.size)).transpose()?;
        let content_range =
            range.as_ref().map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size));
        let range = range.unwrap_or(0..stored.size);
        let end = range.end;
        let body = stream::unfold(range.start, move |offset| async move {
            let chunk = content(offset, end - offset);
            let next = offset + chunk.len() as u64;
            (offset < end).then_some((Ok::<_, Infallible>(chunk), next))
        });
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(body)),
            content_length: signed(range.end - range.start),
            content_range,
            e_tag: Some(stored.etag()),
            last_modified: Some(stored.at.into()),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.with(|state| state.objects.remove(&(request.input.bucket, request.input.key)));
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let answer = self.list_objects_v2(request.map_input(Into::into)).await?;
        Ok(answer.map_output(|v2| ListObjectsOutput {
            contents: v2.contents,
            common_prefixes: v2.common_prefixes,
            delimiter: v2.delimiter,
            name: v2.name,
            prefix: v2.prefix,
            max_keys: v2.max_keys,
            is_truncated: v2.is_truncated,
            next_marker: v2.next_continuation_token,
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), input.delimiter.clone());
        let after = input.continuation_token.or(input.start_after).unwrap_or_default();
        let page = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or_default().min(PAGE_KEYS);
        let (mut contents, mut prefixes, mut last) = (Vec::new(), BTreeSet::new(), None);
        let is_truncated = self.with(|state| {
            for ((bucket, key), stored) in state.objects.range((input.bucket.clone(), prefix.clone())..) {
                if *bucket != input.bucket || !key.starts_with(&prefix) {
                    break;
                }
                let below = &key[prefix.len()..];
                let cut = delimiter
                    .as_deref()
                    .and_then(|delimiter| below.find(delimiter).map(|at| at + delimiter.len()));
                let entry = cut.map_or(key.as_str(), |cut| &key[..prefix.len() + cut]);
                if entry <= after.as_str() || prefixes.contains(entry) {
                    continue;
                }
                if contents.len() + prefixes.len() == page {
                    return true;
                }
                last = Some(entry.to_owned());
                if cut.is_some() {
                    prefixes.insert(entry.to_owned());
                } else {
                    contents.push(object(key, stored));
                }
            }
            false
        });
        let common = prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(contents.len()).ok(),
            contents: Some(contents),
            common_prefixes: Some(common),
            delimiter,
            prefix: Some(prefix),
            name: Some(input.bucket),
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            ..Default::default()
        }))
    }
}

fn object(key: &str, stored: &Stored) -> Object {
    Object {
        key: Some(key.to_owned()),
        size: signed(stored.size),
        e_tag: Some(stored.etag()),
        last_modified: Some(stored.at.into()),
        ..Default::default()
    }
}
