//! A customer logs in with a key or a password, sees four folders and the key to encrypt to, and nothing else.

use testkit::{
    Stack, Tenant,
    packets::{fields, flag, kind, status},
    sftp::{Login, Sftp},
};

#[tokio::test(flavor = "multi_thread")]
async fn four_folders_by_key_and_by_password() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "sftp").await;
    for session in [tenant.sftp(), tenant.sftp_by_password()] {
        let mut names = session.list(".").await;
        names.sort();
        assert_eq!(names, ["Exports", "Finished", "Incoming", "Invalids", "broadcast-key.asc"]);
    }
    let wrong =
        Sftp::new(&stack, &tenant.slug, Login::Password("wrong".to_owned())).run(&["ls".to_owned()]).await;
    assert!(!wrong.ok);
    let other = Tenant::new(&stack, "sftpb").await;
    let foreign =
        Sftp::new(&stack, &other.slug, Login::Key(tenant.ssh_key.clone())).run(&["ls".to_owned()]).await;
    assert!(!foreign.ok, "{}", foreign.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_in_the_root_can_only_be_read() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rootkey").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let key = sftp.get("broadcast-key.asc").await.unwrap();
    assert_eq!(String::from_utf8(key.clone()).unwrap(), tenant.pgp_key);
    let attributes = sftp.stat("/broadcast-key.asc").await.attributes();
    assert_eq!(attributes.size, Some(key.len() as u64));
    for flags in [flag::WRITE, flag::WRITE | flag::CREATE | flag::TRUNCATE, flag::READ | flag::WRITE] {
        let refused = sftp.open("/broadcast-key.asc", flags).await.refused();
        assert_eq!(refused, status::PERMISSION_DENIED, "{flags}");
    }
    for kind in [kind::REMOVE, kind::MKDIR, kind::RMDIR] {
        sftp.ask_one(kind, "broadcast-key.asc").await.refused();
    }
    sftp.put("x", b"x").await;
    sftp.rename("broadcast-key.asc", "y").await.refused();
    sftp.rename("x", "broadcast-key.asc").await.refused();
    let names = fields().string("x").string("broadcast-key.asc");
    sftp.extended("posix-rename@openssh.com", names).await.refused();
    // In a folder the name is one like any other.
    sftp.put("/Incoming/broadcast-key.asc", b"a customer's").await;
    assert_eq!(sftp.get("/Incoming/broadcast-key.asc").await.unwrap(), b"a customer's");
    assert_eq!(sftp.get("broadcast-key.asc").await.unwrap(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_up_comes_down_the_same() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "bytes").await;
    // More than two parts of a multipart upload, and not a round number.
    let bytes: Vec<u8> =
        (0..20_000_003_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (up, down) = (tenant.folder.path().join("up ü.bin"), tenant.folder.path().join("down.bin"));
    std::fs::write(&up, &bytes).unwrap();
    let commands = [
        format!("put \"{}\" \"Incoming/grosse Datei ü #1.filepart\"", up.display()),
        "rename \"Incoming/grosse Datei ü #1.filepart\" \"Incoming/grosse Datei ü #1.bin\"".to_owned(),
        format!("get \"/Incoming/../Incoming/grosse Datei ü #1.bin\" {}", down.display()),
        "rm \"Incoming/grosse Datei ü #1.bin\"".to_owned(),
    ];
    tenant.sftp().must(&commands).await;
    assert!(std::fs::read(&down).unwrap() == bytes, "other bytes came back");
    assert!(tenant.sftp().list("Incoming").await.is_empty());
    let outside = tenant.sftp().run(&["ls /Incoming/../../etc".to_owned()]).await;
    assert!(!outside.ok, "{}", outside.stdout);
}
