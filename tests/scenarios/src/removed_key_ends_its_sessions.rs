//! A key that is removed is worth nothing any more, also to whoever has logged in with it before: a new channel of that connection is refused
//! at once, an open one within a minute, and what it was uploading is kept.

use serde_json::json;
use testkit::{
    Stack, Tenant, audit,
    packets::{flag, status},
    tenant::admin,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn new_channels_at_once_and_open_ones_within_a_minute() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "removed").await;
    let ssh = tenant.ssh().await;
    let mut open = ssh.sftp().await;
    let handle = open.open("/Incoming/half.csv", flag::WRITE | flag::CREATE).await.handle();
    open.write(&handle, 0, b"half").await.done();

    let login = audit::until(&stack, ssh.source, "login", "done").await;
    let fingerprint = login.actor.strip_prefix("sftp key ").unwrap();
    admin(&stack, json!({"command": "remove_ssh_key", "slug": tenant.slug, "fingerprint": fingerprint}))
        .await;

    let mut new = ssh.sftp().await;
    assert_eq!(new.stat("/").await.refused(), status::PERMISSION_DENIED);
    assert_eq!(new.stat("/").await.refused(), status::PERMISSION_DENIED);
    wait::until("the open session to end", async || {
        let answer = open.stat("/Incoming").await;
        (answer.code() == Some(status::PERMISSION_DENIED)).then_some(())
    })
    .await;
    assert_eq!(open.write(&handle, 4, b" more").await.refused(), status::PERMISSION_DENIED);
    assert_eq!(open.close(&handle).await.refused(), status::PERMISSION_DENIED);
    let kept = |line: &audit::Line| line.result == "broken off, 4 bytes kept";
    audit::newest(&tenant, "upload", "Incoming/half.csv", kept).await;
    let refused = audit::until(&stack, ssh.source, "login", "refused: the login is no longer valid").await;
    assert_eq!(refused.tenant_id, Some(tenant.id));
}
