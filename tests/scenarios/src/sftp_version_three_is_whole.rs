//! The requests beside open, read and write: names, attributes and folders as clients use them, and OpenSSH's extensions.

use bytes::Buf;
use testkit::{
    Stack, Tenant,
    packets::{Answer, Sftp, fields, flag, kind, status},
};

#[tokio::test(flavor = "multi_thread")]
async fn names_and_attributes() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "names").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    for (path, canonical) in [
        (".", "/"),
        ("", "/"),
        ("..", "/"),
        ("/Incoming/../Exports/./", "/Exports"),
        ("//Incoming//a b", "/Incoming/a b"),
        ("x.csv", "/x.csv"),
        ("/%2e%2e/x", "/%2e%2e/x"),
    ] {
        assert_eq!(sftp.ask_one(kind::REALPATH, path).await.names()[0].0, canonical, "{path}");
    }
    let folders = ["Exports", "Finished", "Incoming", "Invalids"];
    let root = sftp.list("/").await;
    let shown: Vec<&str> =
        root.iter().filter(|entry| entry.1.is_folder()).map(|entry| &entry.0[..]).collect();
    assert_eq!(shown, folders);
    let files: Vec<&str> =
        root.iter().filter(|entry| !entry.1.is_folder()).map(|entry| &entry.0[..]).collect();
    assert_eq!(files, ["broadcast-key.asc"]);
    assert!(
        sftp.get("/broadcast-key.asc").await.unwrap().starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    );
    sftp.ask_one(kind::REMOVE, "/broadcast-key.asc").await.refused();
    sftp.open("/broadcast-key.asc", flag::WRITE | flag::CREATE | flag::TRUNCATE).await.refused();
    for folder in folders {
        assert_eq!(sftp.ask_one(kind::RMDIR, folder).await.refused(), status::PERMISSION_DENIED);
        sftp.rename(folder, "/Incoming/x").await.refused();
        assert!(sftp.stat(folder).await.attributes().is_folder());
    }

    sftp.put("/Incoming/a", b"12345").await;
    let (followed, unfollowed) =
        (sftp.stat("/Incoming/a").await, sftp.ask_one(kind::LSTAT, "/Incoming/a").await);
    assert_eq!(followed, unfollowed);
    let before = followed.attributes();
    assert_eq!((before.size, before.is_folder()), (Some(5), false));
    // Accepted, since clients set them after every upload, and not stored.
    let times = |path: &str| fields().string(path).mode_and_times(0o600, 1_000_000_000);
    sftp.ask(kind::SETSTAT, times("/Incoming/a")).await.done();
    sftp.extended("lsetstat@openssh.com", times("/Incoming/a")).await.done();
    assert_eq!(sftp.stat("/Incoming/a").await.attributes(), before);
    assert_eq!(sftp.ask(kind::SETSTAT, times("/Incoming/none")).await.refused(), status::NO_SUCH_FILE);
    let handle = sftp.open("/Incoming/a", flag::READ).await.handle();
    assert_eq!(sftp.ask_one(kind::FSTAT, &handle).await.attributes(), before);
    let fields_of = fields().string(&handle).mode_and_times(0o600, 1);
    sftp.ask(kind::FSETSTAT, fields_of).await.done();
    sftp.close(&handle).await.done();

    // What S3 has not: links.
    let link = || fields().string("/Incoming/a").string("/Incoming/link");
    assert_eq!(sftp.ask(kind::SYMLINK, link()).await.refused(), status::OP_UNSUPPORTED);
    assert_eq!(sftp.extended("hardlink@openssh.com", link()).await.refused(), status::OP_UNSUPPORTED);
    sftp.ask_one(kind::READLINK, "/Incoming/a").await.refused();
    assert_eq!(sftp.extended("unknown@example.com", link()).await.refused(), status::OP_UNSUPPORTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_renames() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "renames").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let mkdir = |path: &str| fields().string(path).no_attributes();
    sftp.ask(kind::MKDIR, mkdir("/Incoming/sub")).await.done();
    assert_eq!(sftp.ask(kind::MKDIR, mkdir("/Incoming/sub")).await.refused(), status::FAILURE);
    assert_eq!(sftp.ask(kind::MKDIR, mkdir("/Exports/sub")).await.refused(), status::PERMISSION_DENIED);
    sftp.ask(kind::MKDIR, mkdir("/Elsewhere/sub")).await.refused();
    sftp.put("/Incoming/sub/a", b"a").await;
    assert_eq!(sftp.ask_one(kind::RMDIR, "/Incoming/sub").await.refused(), status::FAILURE);
    assert_eq!(sftp.ask_one(kind::REMOVE, "/Incoming/sub").await.refused(), status::FAILURE);
    assert_eq!(sftp.open("/Incoming/sub", flag::READ).await.refused(), status::FAILURE);

    // version 3: a rename never replaces; posix-rename does.
    sftp.put("/Incoming/b", b"b").await;
    assert_eq!(sftp.rename("/Incoming/sub/a", "/Incoming/b").await.refused(), status::FAILURE);
    assert_eq!(sftp.get("/Incoming/b").await.unwrap(), b"b");
    let onto = fields().string("/Incoming/sub/a").string("/Incoming/b");
    sftp.extended("posix-rename@openssh.com", onto).await.done();
    assert_eq!(sftp.get("/Incoming/b").await.unwrap(), b"a");
    assert_eq!(sftp.rename("/Incoming/none", "/Incoming/c").await.refused(), status::NO_SUCH_FILE);
    assert_eq!(sftp.rename("/Incoming/b", "/Exports/b").await.refused(), status::PERMISSION_DENIED);
    sftp.rename("/Incoming/b", "/Incoming/sub/ü #%20.csv").await.done();
    assert_eq!(sftp.get("/Incoming/sub/ü #%20.csv").await.unwrap(), b"a");
    sftp.ask_one(kind::REMOVE, "/Incoming/sub/ü #%20.csv").await.done();
    sftp.ask_one(kind::RMDIR, "/Incoming/sub").await.done();
    assert_eq!(sftp.stat("/Incoming/sub").await.refused(), status::NO_SUCH_FILE);
    assert!(sftp.list("/Incoming").await.is_empty());

    let longest = "ü".repeat(127) + "x";
    sftp.put(&format!("/Incoming/{longest}"), b"long").await;
    assert_eq!(sftp.list("/Incoming").await[0].0, longest);
    let longer = longest + "x";
    sftp.open(format!("/Incoming/{longer}"), flag::WRITE | flag::CREATE).await.refused();
    // Two names that are no UTF-8 must not become one.
    for name in [b"/Incoming/f\xfcr".as_slice(), b"/Incoming/f\xe4r"] {
        sftp.open(name, flag::WRITE | flag::CREATE).await.refused();
    }
    assert_eq!(sftp.list("/Incoming").await.len(), 1);
}

/// A copy of a range from one open file to another.
async fn copy(sftp: &mut Sftp, from: &[u8], range: (u64, u64), to: &[u8], at: u64) -> Answer {
    let request = fields().string(from).long(range.0).long(range.1).string(to).long(at);
    sftp.extended("copy-data", request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn extensions() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "extend").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    for name in [
        "posix-rename@openssh.com",
        "statvfs@openssh.com",
        "fstatvfs@openssh.com",
        "fsync@openssh.com",
        "lsetstat@openssh.com",
        "limits@openssh.com",
        "expand-path@openssh.com",
        "copy-data",
    ] {
        assert!(sftp.extensions.iter().any(|known| known == name), "{name} is not told of");
    }
    for path in ["~", "~/"] {
        let expanded = sftp.extended("expand-path@openssh.com", fields().string(path)).await.names();
        assert_eq!(expanded[0].0, "/", "{path}");
    }
    let Answer::Extended(mut limits) = sftp.extended("limits@openssh.com", fields()).await else { panic!() };
    let limits = [(); 4].map(|()| limits.get_u64());
    assert!(limits[0] >= 34_000 && limits[1] <= limits[0] && limits[2] <= limits[0], "{limits:?}");
    let Answer::Extended(mut volume) =
        sftp.extended("statvfs@openssh.com", fields().string("/Incoming")).await
    else {
        panic!()
    };
    let volume = [(); 11].map(|()| volume.get_u64());
    assert!(volume[0] > 0 && volume[4] > 0 && volume[10] >= 255, "{volume:?}");

    // What fsync has confirmed is there for whoever goes on, whatever becomes of the session.
    let writing = sftp.open("/Incoming/kept", flag::WRITE | flag::CREATE).await.handle();
    sftp.write(&writing, 0, b"01234").await.done();
    sftp.extended("fsync@openssh.com", fields().string(&writing)).await.done();
    let other = tenant.ssh().await;
    assert_eq!(other.sftp().await.stat("/Incoming/kept").await.attributes().size, Some(5));
    sftp.write(&writing, 5, b"56789").await.done();
    sftp.close(&writing).await.done();
    assert_eq!(sftp.get("/Incoming/kept").await.unwrap(), b"0123456789");

    // A whole file to a new one is S3's copy; parts of a file are not.
    tenant.aws.put(&tenant.bucket, "Exports/report", b"a report".as_slice()).await;
    let flags = flag::WRITE | flag::CREATE | flag::TRUNCATE;
    let from = sftp.open("/Exports/report", flag::READ).await.handle();
    let to = sftp.open("/Incoming/copied", flags).await.handle();
    copy(&mut sftp, &from, (0, 0), &to, 0).await.done();
    sftp.close(&to).await.done();
    assert_eq!(sftp.get("/Incoming/copied").await.unwrap(), b"a report");
    let to = sftp.open("/Incoming/part", flags).await.handle();
    for (range, at) in [((1, 3), 0), ((0, 3), 5), ((100, 0), 0), ((0, 0), 7)] {
        copy(&mut sftp, &from, range, &to, at).await.refused();
    }
    copy(&mut sftp, &to, (0, 0), &to, 0).await.refused();
    copy(&mut sftp, &from, (0, 0), &from, 0).await.refused();
    copy(&mut sftp, b"unknown", (0, 0), &to, 0).await.refused();
    let _ = sftp.close(&to).await;
    sftp.close(&from).await.done();
    assert_eq!(tenant.aws.get(&tenant.bucket, "Exports/report").await.unwrap(), b"a report");
}
