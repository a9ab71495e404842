//! `copy-data` makes a whole file a copy of another one when it is closed, and refuses everything else; the other extensions of OpenSSH answer
//! as its server does.

use testkit::{
    Stack, Tenant, audit,
    packets::{Answer, Sftp, fields, flag, kind, status},
};

const NEW: u32 = flag::WRITE | flag::CREATE | flag::TRUNCATE;
const TEXT: &[u8] = b"to be copied";

async fn copy(sftp: &mut Sftp, from: &[u8], range: (u64, u64), to: &[u8], at: u64) -> Answer {
    let data = fields().string(from).long(range.0).long(range.1).string(to).long(at);
    sftp.extended("copy-data", data).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_into_a_new_one() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "copies").await;
    tenant.aws.put(&tenant.bucket, "Exports/report.csv", TEXT).await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let from = sftp.open("/Exports/report.csv", flag::READ).await.handle();
    let to = sftp.open("/Incoming/again.csv", NEW).await.handle();
    let length = TEXT.len() as u64;
    for (range, at) in [((1, 0), 0), ((0, 5), 0), ((0, 0), 1), ((0, u64::MAX - 1), u64::MAX)] {
        assert_eq!(copy(&mut sftp, &from, range, &to, at).await.refused(), status::OP_UNSUPPORTED);
    }
    assert_eq!(copy(&mut sftp, &to, (0, 0), &from, 0).await.refused(), status::OP_UNSUPPORTED);
    assert_eq!(copy(&mut sftp, &from, (0, 0), b"99", 0).await.refused(), status::FAILURE);
    copy(&mut sftp, &from, (0, length), &to, 0).await.done();
    assert_eq!(sftp.ask_one(kind::FSTAT, &to).await.attributes().size, Some(length));
    sftp.write(&to, length, b"more").await.refused();
    copy(&mut sftp, &from, (0, 0), &to, 0).await.refused();
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/again.csv").await.is_none(), "before it is closed");
    sftp.close(&from).await.done();
    sftp.close(&to).await.done();
    assert_eq!(tenant.aws.get(&tenant.bucket, "Incoming/again.csv").await.as_deref(), Some(TEXT));
    let copied = |line: &audit::Line| line.bytes == Some(12) && line.result == "done (of Exports/report.csv)";
    audit::newest(&tenant, "copy", "Incoming/again.csv", copied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_content_that_was_opened() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "copies").await;
    tenant.put("a", TEXT).await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let from = sftp.open("/Incoming/a", flag::READ).await.handle();
    let to = sftp.open("/Incoming/b", NEW).await.handle();
    let written = sftp.open("/Incoming/c", NEW).await.handle();
    sftp.write(&written, 0, b"begun").await.done();
    assert_eq!(copy(&mut sftp, &from, (0, 0), &written, 0).await.refused(), status::OP_UNSUPPORTED);
    copy(&mut sftp, &from, (0, 0), &to, 0).await.done();
    tenant.put("a", "another content").await;
    assert_eq!(sftp.close(&to).await.refused(), status::FAILURE);
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/b").await.is_none());
    // What was begun otherwise is as it was.
    sftp.close(&written).await.done();
    assert_eq!(sftp.get("/Incoming/c").await.unwrap(), b"begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_extensions_answer() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "extends").await;
    tenant.put("a", TEXT).await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let handle = sftp.open("/Incoming/new", NEW).await.handle();
    for (name, field) in [("statvfs@openssh.com", &b"/Incoming"[..]), ("fstatvfs@openssh.com", &handle[..])] {
        let Answer::Extended(space) = sftp.extended(name, fields().string(field)).await else {
            panic!("{name}")
        };
        assert_eq!(space.len(), 11 * 8, "{name}");
    }
    // Durable, and seen at its size, before it is closed.
    sftp.write(&handle, 0, &[7; 1000]).await.done();
    sftp.extended("fsync@openssh.com", fields().string(&handle)).await.done();
    assert_eq!(sftp.stat("/Incoming/new").await.attributes().size, Some(1000));
    sftp.close(&handle).await.done();
    for (path, expected) in [("~", "/"), ("~/x/..", "/"), ("~/Incoming/a", "/Incoming/a"), ("../a", "/a")] {
        let names = sftp.extended("expand-path@openssh.com", fields().string(path)).await.names();
        assert_eq!(names[0].0, expected, "{path}");
    }
    let other = sftp.extended("expand-path@openssh.com", fields().string("~root")).await;
    assert_eq!(other.refused(), status::NO_SUCH_FILE);
    assert_eq!(sftp.extended("home-directory", fields().string("")).await.names()[0].0, "/");
    sftp.extended("lsetstat@openssh.com", fields().string("/Incoming/a").mode_and_times(0o600, 1))
        .await
        .done();
    sftp.extended("lsetstat@openssh.com", fields().string("/Incoming/a").size(1)).await.refused();
    let link = fields().string("/Incoming/a").string("/Incoming/link");
    assert_eq!(sftp.extended("hardlink@openssh.com", link.clone()).await.refused(), status::OP_UNSUPPORTED);
    assert_eq!(sftp.ask(kind::SYMLINK, link).await.refused(), status::OP_UNSUPPORTED);
    assert_eq!(sftp.ask_one(kind::READLINK, "/Incoming/a").await.refused(), status::FAILURE);
    assert_eq!(sftp.ask_one(kind::READLINK, "/Incoming/none").await.refused(), status::NO_SUCH_FILE);
    assert_eq!(sftp.get("/Incoming/a").await.unwrap(), TEXT);
}
