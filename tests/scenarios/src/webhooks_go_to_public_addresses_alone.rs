//! Whatever a name says at the moment of the connection: no webhook goes to an address that is not allowed, by name or by number.

use testkit::{Stack, Tenant, name_server::NameServer, own, receiver::Receiver};
use tokio::net::TcpListener;

use crate::webhooks::{ALL, Delivery, Webhook};

async fn tried(webhook: &Webhook<'_>) -> Delivery {
    let ended = |delivery: &Delivery| delivery.problem.is_some() || delivery.state != "waiting";
    webhook.until("an attempt to end", ended).await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_name_and_by_number() {
    // A notify of its own, which asks the test's name server, and may go to one loopback address.
    let main = Stack::from_env().unwrap();
    let server = NameServer::start().await;
    let variables = [
        ("DNS_SERVER", server.address.to_string()),
        ("WEBHOOK_NETWORKS", "127.0.0.2/32".to_owned()),
        ("WEBHOOK_CA", main.webhook_root.display().to_string()),
    ];
    let stack = own::deploy_with(&main, "hookdns", &["notify"], &variables).await;
    let tenant = Tenant::new(&stack, "hookdns").await;
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = door.local_addr().unwrap().port();

    for host in [
        "at--127-0-0-1.receiver.example",
        "at--127-0-0-1--169-254-169-254--10-0-0-1.receiver.example",
        "at--169-254-169-254.receiver.example",
        "at--192-168-0-1.receiver.example",
        "169.254.169.254",
        "0xa9fea9fe",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
    ] {
        let webhook = Webhook::told(&tenant, &format!("https://{host}:{port}/")).await;
        let refused = tried(&webhook).await;
        assert_eq!((refused.problem(), refused.state.as_str()), ("refused_address", "waiting"), "{host}");
    }
    let opened = tokio::time::timeout(std::time::Duration::ZERO, door.accept()).await;
    assert!(opened.is_err(), "somebody came to 127.0.0.1");

    let nowhere = Webhook::told(&tenant, "https://nxdomain.receiver.example/").await;
    assert_eq!(tried(&nowhere).await.problem(), "dns");

    // Of several addresses those are taken that are allowed.
    let receiver = Receiver::start(&main, "127.0.0.2", &[]).await;
    let port = receiver.address.port();
    let name = "at--127-0-0-1--127-0-0-2.receiver.example";
    let webhook = Webhook::told(&tenant, &format!("https://{name}:{port}/")).await;
    assert_eq!(tried(&webhook).await.state, "delivered");
    assert_eq!(receiver.told()[0].header("host"), format!("{name}:{port}"));
    assert!(webhook.has_signed(&receiver.told()[0]));
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_never_without_tls() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookplain").await;
    let plain = sqlx::query(
        "INSERT INTO broadcast.webhooks (tenant_id, url, events, secret_sealed) VALUES ($1, 'http://a.example/', $2, '')",
    )
    .bind(tenant.id)
    .bind(ALL)
    .execute(&mut tenant.superuser().await)
    .await;
    assert!(plain.is_err(), "an address without TLS is stored");
    // What begins as an address of HTTPS and is none.
    let webhook = Webhook::told(&tenant, "https://user:secret@127.0.0.1/").await;
    assert_eq!(webhook.until_failed(1).await.problem(), "url");
}
