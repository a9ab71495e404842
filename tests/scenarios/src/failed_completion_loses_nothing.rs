//! S3 takes all parts of an upload and then fails to make a file of them: the customer hears it, what was sent stays, and the file is there
//! when it is closed once more, without its bytes being sent again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use testkit::{
    Stack, Tenant, audit,
    gateway::Gateway,
    packets::{flag, status},
    ssh::Ssh,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

const PATH: &str = "/Incoming/list.bin";
const KEY: &str = "Incoming/list.bin";
const ANSWER: &str =
    "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";

/// Stands before S3.
#[derive(Default)]
struct Way {
    fails: AtomicBool,
    failures: AtomicUsize,
    part_bytes: AtomicUsize,
}

async fn start(stack: &Stack) -> (Arc<Way>, String) {
    let way = Arc::new(Way::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (server, serving) = (stack.endpoint.trim_start_matches("http://").to_owned(), Arc::clone(&way));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(relay(client, server, Arc::clone(&serving)));
        }
    });
    (way, endpoint)
}

async fn relay(client: TcpStream, server: TcpStream, way: Arc<Way>) {
    let (mut requests, mut answers) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = copy(&mut from_server, &mut answers).await;
        answers
    });
    let mut bytes = vec![0; 65_536];
    let mut is_part = false;
    while let Ok(read @ 1..) = requests.read(&mut bytes).await {
        // A request begins with a packet: its client waits for each answer.
        let line = bytes[..read].split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        if line.ends_with("HTTP/1.1") {
            is_part = line.contains("partNumber=");
        }
        if is_part {
            way.part_bytes.fetch_add(read, Ordering::SeqCst);
        }
        if line.starts_with("POST /") && line.contains("uploadId=") && way.fails.load(Ordering::SeqCst) {
            way.failures.fetch_add(1, Ordering::SeqCst);
            drop(to_server);
            let mut answers = back.await.unwrap();
            let answer = format!(
                "HTTP/1.1 500 Internal Server Error\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{ANSWER}",
                ANSWER.len()
            );
            let _ = answers.write_all(answer.as_bytes()).await;
            return;
        }
        if to_server.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn and_needs_no_byte_again() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "refused").await;
    let (way, endpoint) = start(&stack).await;
    let gateway = Gateway::start(&stack, &[("AWS_ENDPOINT_URL", &endpoint)]).await;
    let mut ssh = Ssh::connect(&gateway.address, &tenant.slug).await;
    assert!(ssh.key(&tenant.ssh_key).await.success());
    let mut sftp = ssh.sftp().await;
    let whole = testkit::customer::noise(3, 9_000_003);
    let writing = sftp.open(PATH, flag::WRITE | flag::CREATE | flag::TRUNCATE).await.handle();
    sftp.write_all(&writing, 0, &whole).await;
    way.fails.store(true, Ordering::SeqCst);
    assert_eq!(sftp.close(&writing).await.code(), Some(status::FAILURE));
    assert!(way.failures.load(Ordering::SeqCst) > 1, "it was not tried again");
    let line = audit::newest(&tenant, "upload", KEY, |line| line.result != "done").await;
    assert!(line.result.contains("What was sent is kept"), "{line:?}");
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.is_none());
    assert_eq!(sftp.stat(PATH).await.attributes().size, Some(whole.len() as u64));

    // Still not; and then.
    let writing = sftp.open(PATH, flag::WRITE).await.handle();
    assert_eq!(sftp.close(&writing).await.code(), Some(status::FAILURE));
    way.fails.store(false, Ordering::SeqCst);
    let sent = way.part_bytes.load(Ordering::SeqCst);
    let writing = sftp.open(PATH, flag::WRITE).await.handle();
    sftp.close(&writing).await.done();
    assert!(tenant.aws.get(&tenant.bucket, KEY).await.expect("an object") == whole, "other bytes");
    // Only the bytes that are too few for a part go from the tail into the last part.
    let again = way.part_bytes.load(Ordering::SeqCst) - sent;
    assert!(again < 2_000_000, "{again} bytes were sent to S3 again");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.uploads WHERE tenant_id = $1")
        .bind(tenant.id)
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
