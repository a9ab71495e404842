//! Uploads that break off, and go on.

use bytes::Bytes;
use contract::{Folder, UploadId};

use super::{MIB, names, pattern, tenant};
use crate::{Error, TenantFiles, Upload};

const NAME: &str = "large.csv";

/// Writes the bytes in pieces as a client sends them.
async fn write(upload: &mut Upload, bytes: &[u8]) {
    for chunk in bytes.chunks(250_007) {
        upload.write(chunk).await.unwrap();
        assert!(upload.held() <= 24 * MIB);
    }
}

async fn content(files: &TenantFiles, name: &str) -> Bytes {
    let body = files.read(Folder::Incoming, name, None).await.unwrap();
    let length = usize::try_from(body.length()).unwrap();
    body.collect(length).await.unwrap()
}

/// Breaks an upload off after so many bytes. Returns its id, what is stored and its tail.
async fn break_off(files: &TenantFiles, bytes: &[u8]) -> (Option<String>, u64, Bytes) {
    let mut upload = files.upload(Folder::Incoming, NAME);
    write(&mut upload, bytes).await;
    upload.flush().await.unwrap();
    assert_eq!(upload.written(), bytes.len() as u64);
    assert_eq!(upload.stored() + upload.tail().len() as u64, upload.written());
    let kept =
        (upload.upload_id().map(ToOwned::to_owned), upload.stored(), Bytes::copy_from_slice(upload.tail()));
    upload.leave();
    kept
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let files = tenant().await;
    let bytes = pattern(27 * MIB + 5);
    // In the first part; with a tail that is a part of its own; with one that is not; at the end of a part.
    for at in [3 * MIB, 6 * MIB, 11 * MIB + 7, 14 * MIB, 16 * MIB, 27 * MIB + 5] {
        let (id, stored, tail) = break_off(&files, &bytes[..at]).await;
        assert!(tail.len() < 5 * MIB, "{at}");
        assert_eq!(id.is_some(), stored > 0, "{at}");
        assert!(names(&files, Folder::Incoming).await.is_empty(), "{at}");
        let mut upload = files.resume(Folder::Incoming, NAME, id.as_deref(), stored, tail).await.unwrap();
        assert_eq!(upload.written(), at as u64);
        write(&mut upload, &bytes[at..]).await;
        let stored = upload.complete().await.unwrap();
        assert_eq!(stored.size, bytes.len() as u64);
        assert!(content(&files, NAME).await == bytes, "{at}");
        assert!(files.unfinished_uploads(10).await.unwrap().is_empty(), "{at}");
        files.delete(Folder::Incoming, NAME, Some(&stored.etag)).await.unwrap();
    }
}

#[tokio::test]
async fn parts_behind_what_is_known_are_sent_again() {
    let files = tenant().await;
    let bytes = pattern(20 * MIB);
    // What a crash leaves: more parts than anybody wrote down.
    let mut upload = files.upload(Folder::Incoming, NAME);
    write(&mut upload, &[pattern(8 * MIB), vec![0; 9 * MIB]].concat()).await;
    upload.flush().await.unwrap();
    let id = upload.upload_id().unwrap().to_owned();
    upload.leave();
    let mut upload =
        files.resume(Folder::Incoming, NAME, Some(&id), 8 * MIB as u64, Bytes::new()).await.unwrap();
    write(&mut upload, &bytes[8 * MIB..]).await;
    upload.complete().await.unwrap();
    assert!(content(&files, NAME).await == bytes);
}

#[tokio::test]
async fn what_is_gone_cannot_be_resumed() {
    let files = tenant().await;
    let (id, stored, _) = break_off(&files, &pattern(9 * MIB)).await;
    let resume = async |id: Option<&str>, stored| {
        files.resume(Folder::Incoming, NAME, id, stored, Bytes::new()).await.err()
    };
    let id = id.unwrap();
    assert!(matches!(resume(Some(&id), stored + 1).await, Some(Error::Missing)));
    assert!(matches!(resume(None, stored).await, Some(Error::Missing)));
    files.abort_upload(Folder::Incoming, NAME, &id).await.unwrap();
    files.abort_upload(Folder::Incoming, NAME, &id).await.unwrap();
    assert!(matches!(resume(Some(&id), stored).await, Some(Error::Missing)));
}

#[tokio::test]
async fn two_that_write_one_upload_store_nothing_wrong() {
    let files = tenant().await;
    let bytes = pattern(17 * MIB);
    let (id, stored, tail) = break_off(&files, &bytes[..8 * MIB]).await;
    let resume =
        async || files.resume(Folder::Incoming, NAME, id.as_deref(), stored, tail.clone()).await.unwrap();
    let (mut earlier, mut later) = (resume().await, resume().await);
    write(&mut later, &bytes[8 * MIB..]).await;
    later.flush().await.unwrap();
    write(&mut earlier, &vec![1; 8 * MIB]).await;
    earlier.flush().await.unwrap();
    earlier.leave();
    assert!(matches!(later.complete().await, Err(Error::Changed)));
    assert!(names(&files, Folder::Incoming).await.is_empty());
    assert!(files.unfinished_uploads(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn after_a_part_that_failed_the_stored_ones_are_known() {
    let files = tenant().await;
    let mut upload = files.upload(Folder::Incoming, NAME);
    write(&mut upload, &pattern(17 * MIB)).await;
    upload.flush().await.unwrap();
    files.abort_upload(Folder::Incoming, NAME, upload.upload_id().unwrap()).await.unwrap();
    upload.write(&pattern(8 * MIB)).await.unwrap();
    assert!(upload.flush().await.is_err());
    assert_eq!(
        (upload.written(), upload.stored(), upload.tail().len()),
        (16 * MIB as u64, 16 * MIB as u64, 0)
    );
    assert!(matches!(upload.write(b"x").await, Err(Error::Interrupted)));
    assert!(matches!(upload.finish().await, Err(Error::Interrupted)));
}

#[tokio::test]
async fn an_end_that_fails_leaves_what_can_go_on() {
    let files = tenant().await;
    let bytes = pattern(9 * MIB);
    files.put(Folder::Incoming, NAME, "first").await.unwrap();
    let mut upload = files.upload(Folder::Incoming, NAME).if_absent();
    write(&mut upload, &bytes).await;
    assert!(matches!(upload.finish().await, Err(Error::Exists)));
    assert_eq!((upload.written(), upload.stored()), (9 * MIB as u64, 8 * MIB as u64));
    assert_eq!(upload.tail().len(), MIB);
    files.delete(Folder::Incoming, NAME, None).await.unwrap();
    upload.finish().await.unwrap();
    assert!(content(&files, NAME).await == bytes);
    assert!(matches!(upload.finish().await, Err(Error::Interrupted)));

    let mut small = files.upload(Folder::Incoming, NAME).if_absent();
    small.write(b"small").await.unwrap();
    assert!(matches!(small.finish().await, Err(Error::Exists)));
    assert_eq!(small.tail(), b"small");
    files.delete(Folder::Incoming, NAME, None).await.unwrap();
    small.finish().await.unwrap();
    assert_eq!(content(&files, NAME).await, "small");
}

#[tokio::test]
async fn bytes_in_memory_are_written_over_and_others_not() {
    let files = tenant().await;
    let mut bytes = pattern(9 * MIB);
    let mut upload = files.upload(Folder::Incoming, NAME);
    write(&mut upload, &bytes).await;
    assert!(!upload.rewrite(0, b"head"));
    assert!(!upload.rewrite(8 * MIB as u64 - 1, b"head"));
    assert!(!upload.rewrite(9 * MIB as u64 - 3, b"head"));
    assert!(!upload.rewrite(u64::MAX, b"head"));
    for at in [8 * MIB, 9 * MIB - 4] {
        assert!(upload.rewrite(at as u64, b"head"));
        bytes[at..at + 4].copy_from_slice(b"head");
    }
    upload.complete().await.unwrap();
    assert!(content(&files, NAME).await == bytes);
}

#[tokio::test]
async fn a_file_too_large_is_refused_at_that_write() {
    let files = tenant().await;
    let mut upload = files.upload(Folder::Incoming, NAME).with_tail(b"tail");
    upload.pretend(256 * 1024 * MIB as u64 - 2);
    assert!(matches!(upload.write(b"abc").await, Err(Error::TooLarge { .. })));
    upload.write(b"ab").await.unwrap();
    assert!(matches!(upload.write(b"c").await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_tail_is_kept_by_its_upload() {
    let files = tenant().await;
    let id = UploadId(3);
    assert!(matches!(files.get_upload_tail(id).await, Err(Error::Missing)));
    files.put_upload_tail(id, "first").await.unwrap();
    files.put_upload_tail(id, "second").await.unwrap();
    assert_eq!(files.get_upload_tail(id).await.unwrap(), "second");
    let there = files.upload_tails(10).await.unwrap();
    assert_eq!(there.into_iter().map(|(upload, _)| upload).collect::<Vec<_>>(), [id]);
    files.delete_upload_tail(id).await.unwrap();
    files.delete_upload_tail(id).await.unwrap();
    assert!(matches!(files.get_upload_tail(id).await, Err(Error::Missing)));
}

#[tokio::test]
async fn a_copy_is_of_one_content() {
    let files = tenant().await;
    let stored = files.put(Folder::Exports, "x", "one").await.unwrap();
    let (from, to) = ((Folder::Exports, "x"), (Folder::Incoming, "y"));
    let copied = files.copy_file(from, &stored.etag, to, false).await.unwrap();
    assert_eq!((copied.etag, copied.size), (stored.etag.clone(), 3));
    assert!(matches!(files.copy_file(from, &stored.etag, to, false).await, Err(Error::Exists)));
    files.copy_file(from, &stored.etag, to, true).await.unwrap();
    assert!(matches!(files.copy_file(from, "other", to, true).await, Err(Error::Changed)));
    assert!(matches!(files.copy_file((Folder::Exports, "z"), "other", to, true).await, Err(Error::Missing)));
    assert_eq!(content(&files, "y").await, "one");
    assert_eq!(names(&files, Folder::Exports).await, ["x"]);
}
