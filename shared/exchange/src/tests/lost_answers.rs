//! Requests that S3 obeyed, and whose answers never came.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use contract::Folder;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{MIB, endpoint, pattern, tenant, tenant_at};
use crate::{Error, Left, TenantFiles, Upload};

const NAME: &str = "list.csv";
/// What the SDK's clients try.
const ATTEMPTS: usize = 3;

/// Stands before S3 and loses answers.
struct Way {
    endpoint: String,
    /// How many answers to the ends of uploads are still to be lost.
    losses: Arc<AtomicUsize>,
}

impl Way {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let losses = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&losses);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, Arc::clone(&left)));
            }
        });
        Self { endpoint, losses }
    }

    fn lose(&self, answers: usize) {
        self.losses.store(answers, Ordering::SeqCst);
    }

    fn lost_all(&self) -> bool {
        self.losses.load(Ordering::SeqCst) == 0
    }
}

/// Both ways, until an answer is to be lost: then the connection ends where it would begin.
async fn relay(mut client: TcpStream, losses: Arc<AtomicUsize>) {
    let address = endpoint();
    let mut server = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    let mut losing = false;
    loop {
        let passed = tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(bytes @ 1..) => {
                    losing |= is_an_end(&up[..bytes]);
                    server.write_all(&up[..bytes]).await
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(bytes @ 1..) => {
                    let less = |left: usize| left.checked_sub(1);
                    if losing && losses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                        return;
                    }
                    losing = false;
                    client.write_all(&down[..bytes]).await
                }
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

/// Whether these bytes begin a request that makes an object. A client sends the next request when it has the last answer.
fn is_an_end(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let completes = line.starts_with("POST /") && line.contains("uploadId=");
    let puts = line.starts_with("PUT /") && line.contains("Incoming/") && !line.contains("partNumber=");
    completes || puts
}

async fn written(files: &TenantFiles, bytes: &[u8]) -> Upload {
    let mut upload = files.upload(Folder::Incoming, NAME).if_absent();
    upload.write(bytes).await.unwrap();
    upload
}

#[tokio::test]
async fn a_file_that_was_stored_is_known_without_the_answer() {
    let way = Way::new().await;
    let files = tenant_at(&way.endpoint).await;
    // By one request, and in two parts; with answers to later attempts, and with none.
    for (bytes, lost) in [(5, 1), (5, ATTEMPTS), (9 * MIB, 1), (9 * MIB, ATTEMPTS)] {
        let bytes = pattern(bytes);
        let mut upload = written(&files, &bytes).await;
        if bytes.len() > MIB {
            upload.flush().await.unwrap();
        }
        way.lose(lost);
        let stored = upload.finish().await.unwrap_or_else(|error| panic!("{} {lost}: {error}", bytes.len()));
        assert!(way.lost_all(), "{} {lost}", bytes.len());
        let body = files.read(Folder::Incoming, NAME, Some(&stored.etag)).await.unwrap();
        assert!(stored.size == bytes.len() as u64 && body.collect(bytes.len()).await.unwrap() == bytes);
        assert!(files.unfinished_uploads(10).await.unwrap().is_empty());
        // The name is taken now, also for the same content.
        assert!(matches!(written(&files, &bytes).await.complete().await, Err(Error::Exists)));
        files.delete(Folder::Incoming, NAME, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_another_has_stored_is_no_success() {
    let files = tenant().await;
    let (bytes, other) = (pattern(9 * MIB), vec![7; 9 * MIB]);
    let time = OffsetDateTime::now_utc();
    // The same content of another upload; another content with the same mark, as of a session that was taken over.
    for (mark, content) in [(None, &bytes), (Some(time), &other)] {
        let mut mine = files.upload(Folder::Incoming, NAME).begun_at(time);
        mine.write(&bytes).await.unwrap();
        mine.flush().await.unwrap();
        let theirs = files.upload(Folder::Incoming, NAME);
        let mut theirs = if let Some(mark) = mark { theirs.begun_at(mark) } else { theirs };
        theirs.write(content).await.unwrap();
        theirs.complete().await.unwrap();
        files.abort_upload(Folder::Incoming, NAME, mine.upload_id().unwrap()).await.unwrap();
        assert!(matches!(mine.finish().await, Err(Error::Unavailable { .. })), "{mark:?}");
    }
}

#[tokio::test]
async fn it_is_known_when_nobody_can_go_on() {
    let files = tenant().await;
    let begun_at = OffsetDateTime::now_utc();
    let begin = || files.upload(Folder::Incoming, NAME).begun_at(begun_at);
    let left = |upload_id| Left { name: NAME, begun_as: NAME, upload_id, begun_at };
    assert!(!files.is_over(&left(None)).await.unwrap());
    files.put(Folder::Incoming, NAME, "another's").await.unwrap();
    assert!(!files.is_over(&left(None)).await.unwrap());
    let mut small = begin();
    small.write(b"small").await.unwrap();
    small.complete().await.unwrap();
    assert!(files.is_over(&left(None)).await.unwrap());

    let mut large = begin();
    large.write(&pattern(9 * MIB)).await.unwrap();
    large.flush().await.unwrap();
    let id = large.upload_id().unwrap().to_owned();
    assert!(!files.is_over(&left(Some(&id))).await.unwrap());
    large.finish().await.unwrap();
    assert!(files.is_over(&left(Some(&id))).await.unwrap());

    // It gets the name that it was given meanwhile, once, and only if it is its own.
    let renamed = Left { name: "other.csv", ..left(Some(&id)) };
    let younger = Left { begun_at: begun_at + time::Duration::seconds(1), ..renamed };
    files.give_name(&younger).await.unwrap();
    assert!(files.head(Folder::Incoming, NAME).await.unwrap().is_some());
    files.give_name(&renamed).await.unwrap();
    files.give_name(&renamed).await.unwrap();
    assert_eq!(super::names(&files, Folder::Incoming).await, ["other.csv"]);
}
