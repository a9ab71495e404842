//! A session's credentials end after minutes, an upload may last for hours: they are renewed in its middle, and nobody notices.

use testkit::{Stack, Tenant, gateway::Gateway, packets::flag, short_lived::ShortLived, ssh::Ssh};

/// One part of an upload.
const PART: usize = 8 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn renewed_in_the_middle() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "renewed").await;
    let (cloud, endpoint) = ShortLived::start(&stack).await;
    let gateway = Gateway::start(&stack, &[("AWS_ENDPOINT_URL", &endpoint)]).await;
    let mut ssh = Ssh::connect(&gateway.address, &tenant.slug).await;
    assert!(ssh.key(&tenant.ssh_key).await.success());
    let mut sftp = ssh.sftp().await;
    tenant.aws.put(&tenant.bucket, "Exports/report", vec![b'r'; 3_000_000]).await;

    let reading = sftp.open("/Exports/report", flag::READ).await.handle();
    sftp.read(&reading, 0, 1000).await.data();
    let writing = sftp.open("/Incoming/long", flag::WRITE | flag::CREATE).await.handle();
    let mut whole = Vec::new();
    for part in 0..3_u8 {
        let bytes = vec![b'a' + part; PART];
        sftp.write_all(&writing, whole.len() as u64, &bytes).await;
        whole.extend(bytes);
        cloud.end_all().await;
    }
    sftp.write_all(&writing, whole.len() as u64, b"and an end").await;
    whole.extend(b"and an end");
    sftp.close(&writing).await.done();
    let stored = tenant.aws.get(&tenant.bucket, "Incoming/long").await;
    assert!(stored.as_ref() == Some(&whole), "another file of {:?} bytes", stored.map(|stored| stored.len()));
    // A download that was opened with the first ones goes on, also elsewhere in its file.
    assert!(sftp.read(&reading, 2_000_000, 1000).await.data().iter().all(|byte| *byte == b'r'));
    assert_eq!(sftp.list("/Incoming").await.len(), 1);

    let (credentials, refused) = cloud.used();
    assert!(credentials >= 3, "{credentials} credentials for parts that were sent after the end of others");
    assert_eq!(refused, 0, "credentials were used after their end");
}
