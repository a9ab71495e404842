//! An upload whose client, network or gateway dies midway stays with its size, is no object, and is continued by the client's own way of
//! resuming; the file is then whole.

use testkit::{
    Stack, Tenant, audit,
    customer::{Customer, Running, fails, must, noise},
    gateway::Gateway,
    wait,
};
use tokio::process::Command;

/// Three parts of an upload and a bit.
const WHOLE: usize = 26_000_003;
/// More than what is under way at once, so that parts are in S3 long before the end.
const LARGE: usize = 60_000_003;
/// Of these, what the client has read when the gateway dies.
const READ_BYTES: u64 = 50_000_000;
/// What is not in S3 then: 24 MiB that the upload holds, and what clients and connections have on their way.
const HELD_BYTES_MAX: u64 = 36_000_000;
const KEY: &str = "Incoming/list.bin";

/// The size that the customer sees; `None` when there is no such name.
async fn seen(customer: &Customer, name: &str) -> Option<u64> {
    let listed = must(customer.sftp(&["ls -ln Incoming"])).await;
    let line = listed.lines().find(|line| line.ends_with(&format!("Incoming/{name}")))?;
    line.split_ascii_whitespace().nth(4)?.parse().ok()
}

/// Waits until what a dead session has left is put away: from then on nothing changes it but its customer.
async fn put_away(tenant: &Tenant, customer: &Customer, name: &str) -> u64 {
    let sql = "SELECT size FROM broadcast.uploads WHERE tenant_id = $1 AND name = $2 AND holder IS NULL";
    let size = wait::until("the upload to be put away", async || {
        let row = sqlx::query_scalar::<_, i64>(sql).bind(tenant.id).bind(name);
        row.fetch_optional(&mut tenant.superuser().await).await.unwrap()
    })
    .await;
    let key = format!("Incoming/{name}");
    assert!(tenant.aws.get(&tenant.bucket, &key).await.is_none(), "half a file is an object");
    assert_eq!(seen(customer, name).await, u64::try_from(size).ok());
    let kept = |line: &audit::Line| line.result.contains("broken off") && line.bytes == Some(size);
    audit::newest(tenant, "upload", &key, kept).await;
    u64::try_from(size).unwrap()
}

/// Kills a client when it has read so much of its file.
async fn killed(customer: &Customer, client: Command, bytes: u64) {
    let mut client = Running::start(client);
    client.until_read(&customer.path("list.bin"), bytes).await;
    client.kill().await;
}

async fn is_whole(tenant: &Tenant, customer: &Customer, seed: u64) {
    is_whole_under(tenant, customer, seed, KEY).await;
}

async fn is_whole_under(tenant: &Tenant, customer: &Customer, seed: u64, written: &str) {
    assert!(
        tenant.aws.get(&tenant.bucket, KEY).await.expect("an object") == noise(seed, WHOLE),
        "other bytes"
    );
    assert_eq!(seen(customer, "list.bin").await, Some(WHOLE as u64));
    audit::done(tenant, "upload", written, None).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
    let spool =
        tenant.aws.keys(&tenant.stack.deployment.buckets["spool"], &format!("{}/uploads/", tenant.id)).await;
    assert!(left == 0 && spool.is_empty(), "{left} rows and {} tails are left", spool.len());
    must(customer.sftp(&["rm Incoming/list.bin"])).await;
}

async fn new(name: &str) -> (Tenant, Customer) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let customer = Customer::of(&tenant);
    (tenant, customer)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_reput_of_openssh() {
    let (tenant, customer) = new("reput").await;
    // Below the smallest part of S3, above our first, and after several; kilobits per second, so slow that it dies midway even if the
    // signal comes a second late.
    for (seed, bytes, limit) in [(1, 3_500_000, 16_000), (2, 13_000_000, 50_000), (3, 20_000_000, 30_000)] {
        customer.write("list.bin", noise(seed, WHOLE));
        let put = customer.slow_sftp(limit, &["put list.bin Incoming/"]);
        killed(&customer, put, bytes).await;
        let kept = put_away(&tenant, &customer, "list.bin").await;
        assert!(kept > 0 && kept < WHOLE as u64, "{kept}");
        assert!(fails(customer.sftp(&["get Incoming/list.bin half"])).await.contains("Incoming/list.bin"));
        must(customer.sftp(&["reput list.bin Incoming/list.bin"])).await;
        is_whole(&tenant, &customer, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_lftp() {
    let (tenant, customer) = new("lftpc").await;
    customer.write("list.bin", noise(4, WHOLE));
    let limited =
        ["set net:limit-rate 0:5000000", "set net:socket-buffer 65536", "put list.bin -o Incoming/list.bin"];
    killed(&customer, customer.lftp(&limited), 12_000_000).await;
    put_away(&tenant, &customer, "list.bin").await;
    must(customer.lftp(&["put -c list.bin -o Incoming/list.bin"])).await;
    is_whole(&tenant, &customer, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_curl() {
    let (tenant, customer) = new("curlc").await;
    customer.write("list.bin", noise(5, WHOLE));
    let url = customer.url(KEY);
    killed(&customer, customer.curl(&["--limit-rate", "5M", "-T", "list.bin", &url]), 12_000_000).await;
    put_away(&tenant, &customer, "list.bin").await;
    must(customer.curl(&["-C", "-", "-T", "list.bin", &url])).await;
    is_whole(&tenant, &customer, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_rclone_from_the_start() {
    let (tenant, customer) = new("rclonec").await;
    customer.write("list.bin", noise(6, WHOLE));
    killed(
        &customer,
        customer.rclone(&["--bwlimit", "5M", "copyto", "list.bin", "files:Incoming/list.bin"]),
        12_000_000,
    )
    .await;
    put_away(&tenant, &customer, "list.bin").await;
    must(customer.rclone(&["copyto", "list.bin", "files:Incoming/list.bin"])).await;
    is_whole(&tenant, &customer, 6).await;
}

/// `.filepart`, as `WinSCP` does it: written under the name with a suffix, resumed at its size, renamed at the end.
#[tokio::test(flavor = "multi_thread")]
async fn under_a_temporary_name() {
    let (tenant, customer) = new("filepart").await;
    customer.write("list.bin", noise(7, WHOLE));
    for (bytes, way) in [("4000000", "r+"), ("17000000", "write"), ("9000000", "a")] {
        let died = fails(customer.python("filepart.py", &["begin", bytes])).await;
        assert!(!died.contains("Traceback"), "{died}");
        let kept = put_away(&tenant, &customer, "list.bin.filepart").await;
        assert_eq!(kept, bytes.parse::<u64>().unwrap(), "all that was confirmed is kept");
        must(customer.python("filepart.py", &["finish", bytes, way])).await;
        is_whole_under(&tenant, &customer, 7, "Incoming/list.bin.filepart").await;
        audit::done(&tenant, "rename", KEY, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_gateway_was_killed() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "crash").await;
    let mut gateway = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &gateway.address);
    customer.write("list.bin", noise(8, LARGE));
    let put = customer.slow_sftp(100_000, &["put list.bin Incoming/"]);
    let mut put = Running::start(put);
    put.until_read(&customer.path("list.bin"), READ_BYTES).await;
    gateway.signal("KILL").await;
    gateway.ended().await;
    assert!(!put.end().await.success());

    let again = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &again.address);
    customer.write("list.bin", noise(8, LARGE));
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.is_none(), "half a file is an object");
    // What had become a part is there. The dead process could not save what it held of the upload, and what was under way to it.
    let kept = seen(&customer, "list.bin").await.expect("the unfinished upload");
    assert!(kept + HELD_BYTES_MAX >= READ_BYTES, "of {READ_BYTES} bytes only {kept} are kept");
    must(customer.sftp(&["reput list.bin Incoming/list.bin"])).await;
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.expect("an object") == noise(8, LARGE), "other bytes");
    audit::done(&tenant, "upload", KEY, None).await;
}

/// A client that needs longer than a gateway may take to stop.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_gateway_had_to_stop() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "cutoff").await;
    let mut gateway = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &gateway.address);
    customer.write("list.bin", noise(10, WHOLE));
    // The drain takes 85 s: two thirds of the file.
    let put = customer.slow_sftp(1_600, &["put list.bin Incoming/"]);
    let mut put = Running::start(put);
    put.until_read(&customer.path("list.bin"), 300_000).await;
    gateway.signal("TERM").await;
    assert!(!put.end().await.success(), "the client was not cut off");
    assert!(gateway.ended().await);
    let again = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &again.address);
    customer.write("list.bin", noise(10, WHOLE));
    // All that the gateway had received, its last bytes too.
    let kept = put_away(&tenant, &customer, "list.bin").await;
    assert!(kept > 8 << 20 && kept < WHOLE as u64, "{kept}");
    must(customer.sftp(&["reput list.bin Incoming/list.bin"])).await;
    is_whole(&tenant, &customer, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_a_gateway_that_is_asked_to_stop_waits_for_them() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "drain").await;
    let mut gateway = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &gateway.address);
    customer.write("list.bin", noise(9, WHOLE));
    let put = customer.slow_sftp(60_000, &["put list.bin Incoming/"]);
    let mut put = Running::start(put);
    put.until_read(&customer.path("list.bin"), 5_000_000).await;
    gateway.signal("TERM").await;
    wait::until("the gateway to take nobody in", async || {
        let address = (gateway.address.host.as_str(), gateway.address.port);
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    assert!(put.end().await.success());
    assert!(gateway.ended().await);
    is_whole(&tenant, &Customer::of(&tenant), 9).await;
}
