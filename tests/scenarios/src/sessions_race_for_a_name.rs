//! Sessions that meet at one name: a file is one of those that were sent, whole, or the client is told; never a mixture of two.

use testkit::{
    Stack, Tenant, audit,
    packets::{Answer, Sftp, fields, flag, kind, status},
};

const NEW: u32 = flag::WRITE | flag::CREATE;
/// Two parts of an upload, and a little.
const LARGE: usize = 17_000_003;

async fn sync(sftp: &mut Sftp, handle: &[u8]) {
    sftp.extended("fsync@openssh.com", fields().string(handle)).await.done();
}

async fn write_whole(sftp: &mut Sftp, path: &str, bytes: &[u8]) -> Result<(), Answer> {
    let handle = match sftp.open(path, NEW).await {
        Answer::Handle(handle) => handle,
        refused => return Err(refused),
    };
    for (number, piece) in bytes.chunks(200_000).enumerate() {
        let written = sftp.write(&handle, number as u64 * 200_000, piece).await;
        if written.code() != Some(status::OK) {
            let _ = sftp.close(&handle).await;
            return Err(written);
        }
    }
    let closed = sftp.close(&handle).await;
    if closed.code() == Some(status::OK) { Ok(()) } else { Err(closed) }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_write_one_new_name() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "race").await;
    let (one, two) = (tenant.ssh().await, tenant.ssh().await);
    for (name, size) in [("small", 10), ("large", LARGE)] {
        let (mut first, mut second) = (one.sftp().await, two.sftp().await);
        let path = format!("/Incoming/{name}");
        let (ones, twos) = (vec![b'1'; size], vec![b'2'; size]);
        let results =
            tokio::join!(write_whole(&mut first, &path, &ones), write_whole(&mut second, &path, &twos));
        assert!(results.0.is_ok() || results.1.is_ok(), "{name}: nobody wrote it");
        for refused in [&results.0, &results.1].into_iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(refused.refused(), status::FAILURE);
        }
        let stored = tenant.aws.get(&tenant.bucket, &format!("Incoming/{name}")).await.unwrap();
        assert!(stored == ones || stored == twos, "{name}: a mixture of {} bytes", stored.len());
    }
    // One after the other: the second opens while the first is under way, and what is closed later is told or stands.
    let (mut first, mut second) = (one.sftp().await, two.sftp().await);
    let early = first.open("/Incoming/turns", NEW).await.handle();
    let late = second.open("/Incoming/turns", NEW).await.handle();
    first.write(&early, 0, b"early").await.done();
    second.write(&late, 0, b"late").await.done();
    let (closed, other) = (first.close(&early).await, second.close(&late).await);
    let stored = tenant.aws.get(&tenant.bucket, "Incoming/turns").await.unwrap();
    let winner = if closed.code() == Some(status::OK) { b"early".as_slice() } else { b"late" };
    if other.code() == Some(status::OK) && closed.code() == Some(status::OK) {
        assert_eq!(stored, b"late", "the later close is the one that counts");
    } else {
        assert_eq!(stored, winner);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_and_removed_while_it_is_written() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "whilst").await;
    let (one, two) = (tenant.ssh().await, tenant.ssh().await);
    let (mut writer, mut other) = (one.sftp().await, two.sftp().await);
    let stored = async |name: &str| tenant.aws.get(&tenant.bucket, &format!("Incoming/{name}")).await;

    // Renamed by another session.
    let handle = writer.open("/Incoming/a.part", NEW).await.handle();
    writer.write(&handle, 0, b"01234").await.done();
    sync(&mut writer, &handle).await;
    other.rename("/Incoming/a.part", "/Incoming/a.csv").await.done();
    writer.write(&handle, 5, b"56789").await.done();
    writer.close(&handle).await.done();
    assert_eq!(stored("a.csv").await.as_deref(), Some(b"0123456789".as_slice()));
    assert_eq!(stored("a.part").await, None);
    // By the session itself, before there is anything of it but in memory.
    let handle = writer.open("/Incoming/b.part", NEW).await.handle();
    writer.write(&handle, 0, b"0123456789").await.done();
    writer.rename("/Incoming/b.part", "/Incoming/b.csv").await.done();
    writer.close(&handle).await.done();
    assert_eq!(stored("b.csv").await.as_deref(), Some(b"0123456789".as_slice()));
    assert_eq!(stored("b.part").await, None);
    // A large one, whose parts are under way.
    let handle = writer.open("/Incoming/c.part", NEW).await.handle();
    let large = vec![b'c'; LARGE];
    writer.write_all(&handle, 0, &large).await;
    sync(&mut writer, &handle).await;
    other.rename("/Incoming/c.part", "/Incoming/c.csv").await.done();
    writer.close(&handle).await.done();
    assert!(stored("c.csv").await == Some(large), "c.csv is another");
    assert_eq!(stored("c.part").await, None);
    // Removed by another session: it does not come back.
    let handle = writer.open("/Incoming/d.csv", NEW).await.handle();
    writer.write(&handle, 0, b"01234").await.done();
    sync(&mut writer, &handle).await;
    other.ask_one(kind::REMOVE, "/Incoming/d.csv").await.done();
    assert_eq!(writer.close(&handle).await.refused(), status::FAILURE);
    assert_eq!(stored("d.csv").await, None);
    assert_eq!(other.stat("/Incoming/d.csv").await.refused(), status::NO_SUCH_FILE);
    // Taken over by another session: the earlier handle is told.
    let early = writer.open("/Incoming/e.csv", NEW).await.handle();
    writer.write(&early, 0, b"01234").await.done();
    sync(&mut writer, &early).await;
    let late = other.open("/Incoming/e.csv", flag::WRITE).await.handle();
    other.write(&late, 5, b"late!").await.done();
    let told = writer.close(&early).await;
    assert_eq!(told.refused(), status::FAILURE);
    other.close(&late).await.done();
    assert_eq!(stored("e.csv").await.as_deref(), Some(b"01234late!".as_slice()));
    let refused = |line: &&audit::Line| line.action == "upload" && line.result != "done";
    audit::of(&tenant, |lines| lines.iter().filter(refused).count() >= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overwritten_and_removed_while_it_is_read() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "reader").await;
    let (one, two) = (tenant.ssh().await, tenant.ssh().await);
    let (mut reader, mut other) = (one.sftp().await, two.sftp().await);
    let size = 12_000_000_u64;
    let length = usize::try_from(size).unwrap();
    for how in ["overwritten", "renamed over", "removed"] {
        tenant.put("read", vec![b'o'; length]).await;
        let handle = reader.open("/Incoming/read", flag::READ).await.handle();
        assert!(reader.read(&handle, 0, 1000).await.data().iter().all(|byte| *byte == b'o'));
        match how {
            "overwritten" => tenant.put("read", vec![b'n'; length]).await,
            "renamed over" => {
                tenant.put("new", vec![b'n'; length]).await;
                let names = fields().string("/Incoming/new").string("/Incoming/read");
                other.extended("posix-rename@openssh.com", names).await.done();
            }
            _ => other.ask_one(kind::REMOVE, "/Incoming/read").await.done(),
        }
        // Wherever it reads on: bytes of the file that it opened, or words.
        let mut told = false;
        let offsets = (0..40).map(|n| 1000 + n * 250_000).chain([0, size / 2, size - 10]);
        for offset in offsets {
            match reader.read(&handle, offset, 250_000).await {
                Answer::Data(data) => {
                    assert!(data.iter().all(|byte| *byte == b'o'), "{how}: mixed at {offset}");
                }
                refused => {
                    told = true;
                    assert_ne!(refused.refused(), status::EOF, "{how}: a silent end at {offset}");
                }
            }
        }
        assert!(told, "{how}: reading elsewhere takes a new request, which must fail");
        reader.close(&handle).await.done();
        if how != "removed" {
            assert_eq!(reader.get("/Incoming/read").await.unwrap(), vec![b'n'; length]);
        }
    }
}
