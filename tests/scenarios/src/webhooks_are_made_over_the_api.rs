//! A webhook from its making to its end, over the API alone: tested, rotated, disabled, deleted; and addresses that no webhook can have.

use access::WebhookSecret;
use contract::TenantId;
use serde_json::{Value, json};
use testkit::{Stack, Tenant, receiver::Receiver, wait};

use crate::webhooks::{master, signed};

/// The secret that signs now, as it stands in the database.
async fn kept(tenant: &Tenant, id: &Value) -> WebhookSecret {
    let sealed =
        sqlx::query_scalar("SELECT secret_sealed FROM broadcast.webhooks WHERE id = $1 AND tenant_id = $2")
            .bind(id.as_i64())
            .bind(tenant.id)
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
    WebhookSecret::open(sealed, &master(tenant).await, TenantId(tenant.id)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_its_making_to_its_end() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookapi").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let body = json!({"url": receiver.url(), "events": ["launch.ended", "import.ended"]});
    let made = tenant.api("POST", "/v1/webhooks", Some(body)).await.ok();
    let (id, first) = (&made["id"], kept(&tenant, &made["id"]).await);
    assert_eq!(made["secret"], first.text());
    let path = format!("/v1/webhooks/{id}");
    let shown = tenant.api("GET", &path, None).await.ok();
    assert_eq!(
        (&shown["events"], &shown["enabled"]),
        (&json!(["import.ended", "launch.ended"]), &json!(true))
    );
    assert!(!shown.to_string().contains("whsec_"));

    assert_eq!(tenant.api("POST", &format!("{path}/test"), None).await.status, 202);
    let told = wait::until("the test", async || receiver.told().into_iter().next()).await;
    assert_eq!(
        (&told.json()["type"], &told.json()["data"]),
        (&json!("webhook.test"), &json!({"webhook": id}))
    );
    assert_eq!(told.header("webhook-signature"), signed(&first, &told));
    let delivery = wait::until("the delivery", async || {
        let deliveries = tenant.api("GET", &format!("{path}/deliveries"), None).await.ok();
        Some(deliveries["items"][0].clone()).filter(|delivery| delivery["state"] == "delivered")
    })
    .await;
    assert_eq!((&delivery["status"], &delivery["event"]), (&json!(200), &told.json()["id"]));

    // Both secrets sign for a while, the new one first.
    let rotated =
        tenant.api("POST", &format!("{path}/rotation"), Some(json!({"overlap_hours": 1}))).await.ok();
    let second = kept(&tenant, id).await;
    assert_eq!(rotated["secret"], second.text());
    tenant.api("POST", &format!("{path}/test"), None).await.ok();
    let told = wait::until("the second test", async || receiver.told().into_iter().nth(1)).await;
    let signatures: Vec<_> = told.header("webhook-signature").split(' ').map(str::to_owned).collect();
    assert_eq!(signatures, [signed(&second, &told), signed(&first, &told)]);

    // One that is disabled is told nothing.
    let disabled = tenant.api("PATCH", &path, Some(json!({"enabled": false}))).await.ok();
    assert_eq!(disabled["enabled"], false);
    tenant.api("POST", &format!("{path}/test"), None).await.ok();
    let deliveries = tenant.api("GET", &format!("{path}/deliveries"), None).await.ok();
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 2);
    assert_eq!(tenant.api("DELETE", &path, None).await.status, 204);
    assert_eq!(tenant.api("GET", &path, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_at_every_address() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookurl").await;
    // The local stack's own loopback addresses are let through, for tests.
    for url in [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "https://",
        "https://user:secret@hooks.example/",
        "https://10.0.0.7/",
        "https://192.168.1.1:8443/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2886729729/",
        "hooks.example",
    ] {
        let body = json!({"url": url, "events": ["export.ready"]});
        let answer = tenant.api("POST", "/v1/webhooks", Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].clone()),
            (422, json!("webhook_url")),
            "{url}"
        );
    }
    let body = json!({"url": "https://hooks.example/", "events": ["everything"]});
    assert_eq!(tenant.api("POST", "/v1/webhooks", Some(body)).await.json()["code"], "field_invalid");
}
