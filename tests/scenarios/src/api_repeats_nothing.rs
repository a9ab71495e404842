//! A POST with an Idempotency-Key has one effect, however often and however much at once it is sent.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, http::Answer, unique, wait};
use tokio::task::JoinSet;

use crate::everything_is_deleted_on_time::sweep;

/// As many as a client's retries gone wild.
const AT_ONCE: usize = 50;

/// Sends the same request so often at once.
async fn send(tenant: &Tenant, path: &str, key: &str, body: &Value) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (http, url) = (tenant.http.clone(), format!("{}{path}", tenant.stack.api_url));
        let (bearer, key, body) = (format!("Bearer {}", tenant.api_key), key.to_owned(), body.to_string());
        requests.spawn(async move {
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
                ("idempotency-key", &key),
            ];
            http.send("POST", &url, &headers, body).await
        });
    }
    requests.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_have_one_effect() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "once").await;
    let key = unique("make");
    let answers = send(&tenant, "/v1/campaigns", &key, &json!({"name": "spring"})).await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body), "{}", answer.text());
        assert_eq!(answer.headers["location"], answers[0].headers["location"]);
        assert_eq!(answer.headers["etag"], answers[0].headers["etag"]);
    }
    let listed = tenant.api("GET", "/v1/campaigns", None).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    // The same key for something else is a mistake, and is told.
    let (headers, body) = ([("idempotency-key", key.as_str())], json!({"name": "summer"}));
    let other = tenant.call(Some(&tenant.api_key), "POST", "/v1/campaigns", &headers, Some(&body)).await;
    assert_eq!((other.status.as_u16(), other.json()["code"].clone()), (422, json!("idempotency_reused")));

    // A secret is made once and shown the same each time, and the database has it sealed.
    let (key, body) = (unique("key"), json!({"name": "once", "scopes": ["campaigns:read"]}));
    let answers = send(&tenant, "/v1/keys", &key, &body).await;
    let made = answers[0].json()["key"].as_str().unwrap().to_owned();
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json()["key"] == made.as_str()));
    let mut database = tenant.superuser().await;
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT body FROM broadcast.answers WHERE tenant_id = $1 AND key = $2")
            .bind(tenant.id)
            .bind(&key)
            .fetch_one(&mut database)
            .await
            .unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains(&made));
    let made: i64 =
        sqlx::query_scalar("SELECT count(*) FROM broadcast.api_keys WHERE tenant_id = $1 AND name = 'once'")
            .bind(tenant.id)
            .fetch_one(&mut database)
            .await
            .unwrap();
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_launches_at_once_are_one() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "onelaun").await;
    let campaign = tenant.campaign("spring").await;
    tenant
        .put(
            "list.csv",
            Plan { domain: tenant.recipients_domain.clone(), good: 5, ..Plan::default() }.write(),
        )
        .await;
    tenant
        .api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(json!({"file": "list.csv"})))
        .await
        .ok();
    wait::until("the import", async || {
        (tenant.imports(campaign).await.first()?["state"] == "finished").then_some(())
    })
    .await;
    let answers =
        send(&tenant, &format!("/v1/campaigns/{campaign}/launches"), &unique("launch"), &json!({})).await;
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.body == answers[0].body));
    tenant.mailed(campaign, 5).await;
    let launches = tenant.api("GET", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
    assert_eq!(launches["items"].as_array().unwrap().len(), 1, "{launches}");
    wait::until("the mails", async || (tenant.mails().len() == 5).then_some(())).await;
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_may_be_sent_again() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "failed").await;
    let campaign = tenant.campaign("spring").await;
    let (path, body, key) =
        (format!("/v1/campaigns/{campaign}/imports"), json!({"file": "list.csv"}), unique("import"));
    let ask = async || {
        tenant.call(Some(&tenant.api_key), "POST", &path, &[("idempotency-key", &key)], Some(&body)).await
    };
    assert_eq!(ask().await.json()["code"], "file_missing");
    tenant
        .put(
            "list.csv",
            Plan { domain: tenant.recipients_domain.clone(), good: 1, ..Plan::default() }.write(),
        )
        .await;
    let first = ask().await;
    assert_eq!(first.status, 202);
    // Also when the file is gone since then.
    wait::until("the import", async || {
        (tenant.imports(campaign).await.first()?["state"] == "finished").then_some(())
    })
    .await;
    let again = ask().await;
    assert_eq!((again.status.as_u16(), again.body), (202, first.body));
    // A day later the key is as good as new.
    let mut database = tenant.superuser().await;
    sqlx::query(
        "UPDATE broadcast.answers SET created_at = created_at - interval '24 hours' WHERE tenant_id = $1",
    )
    .bind(tenant.id)
    .execute(&mut database)
    .await
    .unwrap();
    assert_eq!(ask().await.json()["code"], "file_missing");
    // And sweep forgets it.
    wait::until("the answer to be forgotten", async || {
        sweep(&tenant, time::OffsetDateTime::now_utc()).await;
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM broadcast.answers WHERE tenant_id = $1")
            .bind(tenant.id)
            .fetch_one(&mut database)
            .await
            .unwrap();
        (kept == 0).then_some(())
    })
    .await;
}
