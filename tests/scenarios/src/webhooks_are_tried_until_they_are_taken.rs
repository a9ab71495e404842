//! A receiver that fails gets the same event again, later and later; one that hangs, redirects or has no certificate fails; one that says that
//! it is gone is not asked again.

use access::WebhookSecret;
use contract::TenantId;
use testkit::{
    Stack, Tenant,
    receiver::{Answer, Receiver},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::webhooks::{ALL, Webhook, master, nudge, signed};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_is_sent_again() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookretry").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[Answer::Status(500), Answer::Status(503)]).await;
    let before = OffsetDateTime::now_utc();
    let webhook = Webhook::told(&tenant, &receiver.url()).await;

    let failed = webhook.until_failed(1).await;
    assert_eq!((failed.state.as_str(), failed.status, failed.problem()), ("waiting", Some(500), "status"));
    let wait = failed.due_at.unwrap() - before;
    assert!(wait >= Duration::seconds(10) && wait < Duration::minutes(2), "{wait}");
    webhook.make_due().await;
    let failed = webhook.until_failed(2).await;
    assert!(failed.due_at.unwrap() - before >= Duration::minutes(1), "{failed:?}");
    webhook.make_due().await;
    let delivered = webhook.until_delivered().await;
    assert_eq!((delivered.status, delivered.problem, delivered.due_at), (Some(200), None, None));

    let told = receiver.told();
    assert!(told.len() >= 3, "{}", told.len());
    for one in &told {
        assert_eq!(one.body, told[0].body, "the same at each attempt");
        assert_eq!(one.json()["type"], "webhook.test");
        assert_eq!(one.json()["data"]["webhook"], webhook.id);
        assert_eq!(one.header("webhook-id"), one.json()["id"].as_str().unwrap());
        assert!(webhook.has_signed(one), "{one:?}");
        let age = OffsetDateTime::now_utc().unix_timestamp()
            - one.header("webhook-timestamp").parse::<i64>().unwrap();
        assert!((0..300).contains(&age), "signed at the attempt: {age} s ago");
        assert_eq!(one.path, "/hooks?of=acme");
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.header("user-agent"), "Broadcast-Webhooks/1");
        assert_eq!(one.header("host"), receiver.address.to_string());
    }

    // The last attempt.
    let broken = Receiver::start(&stack, "127.0.0.1", &vec![Answer::Status(500); 3]).await;
    let webhook = Webhook::told(&tenant, &broken.url()).await;
    webhook.until_failed(1).await;
    let last = sqlx::query("UPDATE broadcast.webhook_deliveries SET attempts = 8 WHERE webhook_id = $1");
    last.bind(webhook.id).execute(&mut tenant.superuser().await).await.unwrap();
    webhook.make_due().await;
    let over = webhook.until("the delivery to be given up", |delivery| delivery.state == "given_up").await;
    assert_eq!((over.attempts, over.status, over.problem()), (9, Some(500), "status"));
    assert_eq!(over.due_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_finds_what_no_message_told() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hooktick").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let webhook = Webhook::new(&tenant, &receiver.url(), &ALL).await;
    assert!(webhook.announce().await);
    webhook.until_delivered().await;
    assert_eq!(receiver.told().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_success_is_a_failure() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookfail").await;
    let elsewhere = Receiver::start(&stack, "127.0.0.2", &[]).await;
    let redirect = Answer::Redirect(elsewhere.url());
    let hanging = Receiver::start(&stack, "127.0.0.1", &vec![Answer::Hang; 9]).await;
    let redirecting = Receiver::start(&stack, "127.0.0.1", &vec![redirect; 9]).await;
    let unknown = Receiver::unknown("127.0.0.1").await;
    let working = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("https://{}/", listener.local_addr().unwrap())
    };
    let mut webhooks = Vec::new();
    for (url, status, problem) in [
        (hanging.url(), None, "timeout"),
        (redirecting.url(), Some(302), "redirect"),
        (unknown.url(), None, "tls"),
        (nobody, None, "connect"),
    ] {
        webhooks.push((Webhook::new(&tenant, &url, &ALL).await, status, problem));
    }
    let works = Webhook::new(&tenant, &working.url(), &ALL).await;
    for webhook in webhooks.iter().map(|(webhook, ..)| webhook).chain([&works]) {
        assert!(webhook.announce().await);
    }
    nudge(&tenant).await;
    // One that hangs holds nobody up.
    works.until_delivered().await;
    assert_eq!(webhooks[0].0.delivery().await.problem, None);
    for (webhook, status, problem) in &webhooks {
        let failed = webhook.until_failed(1).await;
        assert_eq!((failed.status, failed.problem()), (*status, *problem));
        assert_eq!(failed.state, "waiting");
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect is followed");
    assert!(unknown.told().is_empty(), "a receiver without a valid certificate is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_not_asked_again() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookgone").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[Answer::Status(410)]).await;
    let webhook = Webhook::told(&tenant, &receiver.url()).await;
    let over = webhook.until("the delivery to be given up", |delivery| delivery.state == "given_up").await;
    assert_eq!((over.attempts, over.status, over.problem()), (1, Some(410), "gone"));
    assert!(!webhook.announce().await, "the webhook is disabled");

    // What waits when a webhook is disabled is over, too.
    let failing = Receiver::start(&stack, "127.0.0.1", &[Answer::Status(500)]).await;
    let webhook = Webhook::told(&tenant, &failing.url()).await;
    webhook.until_failed(1).await;
    let disable = sqlx::query("UPDATE broadcast.webhooks SET disabled_at = now() WHERE id = $1");
    disable.bind(webhook.id).execute(&mut tenant.superuser().await).await.unwrap();
    webhook.make_due().await;
    let over = webhook.until("the delivery to be given up", |delivery| delivery.state == "given_up").await;
    assert_eq!(over.problem(), "disabled");
    assert_eq!((receiver.told().len(), failing.told().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_while_one_replaces_the_other() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hooksecret").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let webhook = Webhook::new(&tenant, &receiver.url(), &ALL).await;
    let previous = WebhookSecret::generate().unwrap();
    let sealed = previous.seal(&master(&tenant).await, TenantId(tenant.id)).unwrap();
    for (hours, signatures) in [(1, 2), (-1, 1)] {
        sqlx::query(
            "UPDATE broadcast.webhooks SET previous_secret_sealed = $2, previous_until = $3 WHERE id = $1",
        )
        .bind(webhook.id)
        .bind(&sealed)
        .bind(OffsetDateTime::now_utc() + Duration::hours(hours))
        .execute(&mut tenant.superuser().await)
        .await
        .unwrap();
        let before = receiver.told().len();
        assert!(webhook.announce().await);
        nudge(&tenant).await;
        let told = wait::until("the event", async || receiver.told().get(before).cloned()).await;
        let signed_by: Vec<_> = told.header("webhook-signature").split(' ').collect();
        let both = [signed(&webhook.secret, &told), signed(&previous, &told)];
        assert_eq!(signed_by, both[..signatures], "{hours}");
    }
}
