//! A customer logs in with a key or a password, sees four folders, and nothing else.

use testkit::{
    Stack, Tenant,
    sftp::{Login, Sftp},
};

#[tokio::test(flavor = "multi_thread")]
async fn four_folders_by_key_and_by_password() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "sftp").await;
    for session in [tenant.sftp(), tenant.sftp_by_password()] {
        let mut names = session.list(".").await;
        names.sort();
        assert_eq!(names, ["Exports", "Finished", "Incoming", "Invalids"]);
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
