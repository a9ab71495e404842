//! A tenant has at most 1,000 unfinished uploads. Above that, uploads work, and are not kept when they break off.

use testkit::{
    Stack, Tenant, audit,
    packets::{fields, flag, kind, status},
};

const KEY: &str = "Incoming/list.bin";
const PATH: &str = "/Incoming/list.bin";
/// One part of an upload, and a bit.
const PART_AND_MORE: usize = 9_000_000;

async fn rows(tenant: &Tenant) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap()
}

/// Begins an upload, asks for it to be kept, which is answered with this code, and breaks off, which the audit tells in these words.
async fn break_off(tenant: &Tenant, code: u32, words: &str) {
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let writing = sftp.open(PATH, flag::WRITE | flag::CREATE).await.handle();
    sftp.write_all(&writing, 0, &vec![b'x'; PART_AND_MORE]).await;
    let kept = sftp.extended("fsync@openssh.com", fields().string(&writing)).await;
    assert_eq!(kept.code(), Some(code), "{kept:?}");
    ssh.break_off().await;
    audit::newest(tenant, "upload", KEY, |line| line.result == words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_thousand() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "thousand").await;
    sqlx::query(
        "INSERT INTO broadcast.uploads (tenant_id, name, begun_as, size, tail_bytes)
         SELECT $1, 'earlier-' || n, 'earlier-' || n, 1, 1 FROM generate_series(1, 1000) AS n",
    )
    .bind(tenant.id)
    .execute(&mut tenant.superuser().await)
    .await
    .unwrap();
    break_off(&tenant, status::FAILURE, "broken off, nothing kept").await;
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.is_none());
    let parts = tenant.aws.s3.list_multipart_uploads().bucket(&tenant.bucket).send().await.unwrap();
    assert!(parts.uploads().is_empty(), "parts stay that nobody can go on with");

    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let whole = testkit::customer::noise(5, PART_AND_MORE);
    sftp.put("/Incoming/whole.bin", &whole).await;
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/whole.bin").await.expect("an object") == whole);
    assert_eq!(rows(&tenant).await, 1000);

    // One goes, and there is room for one.
    sftp.ask_one(kind::REMOVE, "/Incoming/earlier-7").await.done();
    break_off(&tenant, status::OK, &format!("broken off, {PART_AND_MORE} bytes kept")).await;
    assert_eq!(rows(&tenant).await, 1000);
}
