//! Operations of the API one after the other, as an integrator would use them.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, wait};

use crate::everything_is_deleted_on_time::sweep;

fn code(answer: &testkit::http::Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// Imports a file of the plan; the import when it is at its end.
async fn import(tenant: &Tenant, campaign: i64, file: &str, plan: Plan) -> Value {
    tenant.put(file, plan.write()).await;
    let call =
        json!({"file": file, "overrides": {"key_column": "Kundennummer", "bad_rows_max_percent": 100}});
    let id =
        tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await.ok()["id"].clone();
    wait::until("the import", async || {
        let import = tenant.api("GET", &format!("/v1/imports/{id}"), None).await.ok();
        (import["state"] == "finished").then_some(import)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_editors_do_not_overwrite_each_other() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "editors").await;
    let campaign = tenant.campaign("spring").await;
    let key = Some(tenant.api_key.as_str());
    for (path, method, change) in [
        (format!("/v1/campaigns/{campaign}"), "PATCH", json!({"name": "summer"})),
        (
            format!("/v1/campaigns/{campaign}/template"),
            "PUT",
            json!({"from_address": format!("a@{}", tenant.domain), "subject": "x", "html": "{{ unsubscribe_url }}"}),
        ),
        ("/v1/profiles/crm".to_owned(), "PUT", json!({"delimiter": "|"})),
    ] {
        if path.contains("profiles") {
            assert_eq!(tenant.api("PUT", &path, Some(json!({}))).await.status, 201);
        }
        let read = tenant.api("GET", &path, None).await;
        let etag = read.headers["etag"].to_str().unwrap().to_owned();
        let first = tenant.call(key, method, &path, &[("if-match", &etag)], Some(&change)).await;
        assert_eq!(first.status, 200, "{path}: {}", first.text());
        let second = tenant.call(key, method, &path, &[("if-match", &etag)], Some(&change)).await;
        assert_eq!(code(&second), (412, "version_changed".to_owned()), "{path}");
        let newer = first.headers["etag"].to_str().unwrap();
        assert!(second.json()["detail"].as_str().unwrap().contains(newer), "{}", second.text());
    }
    // A deleted one has no version that could be meant.
    tenant.api("DELETE", "/v1/profiles/crm", None).await.ok_status();
    assert_eq!(code(&tenant.api("GET", "/v1/profiles/crm", None).await), (404, "not_found".to_owned()));
    let gone = tenant.call(key, "PUT", "/v1/profiles/crm", &[("if-match", "\"1\"")], Some(&json!({}))).await;
    assert_eq!(code(&gone), (412, "version_changed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_seen_with_a_recipients_row_before_it_is_mailed() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "preview").await;
    let campaign = tenant.campaign("spring").await;
    let path = format!("/v1/campaigns/{campaign}/template/preview");
    assert_eq!(code(&tenant.api("POST", &path, None).await), (409, "launch_nothing".to_owned()));
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 6, ..Plan::default() };
    let import = import(&tenant, campaign, "list.csv", plan).await;
    let first = tenant.api("POST", &path, None).await.ok();
    assert_eq!((&first["import"], &first["line"]), (&import["id"], &json!(2)));
    assert!(first["subject"].as_str().unwrap().starts_with("Spring for J"), "{first}");
    assert!(
        !first["html"].as_str().unwrap().contains(&tenant.stack.collect_url),
        "links of a preview must not count"
    );
    assert_eq!(first["links"].as_array().unwrap().len(), 2);
    let third = tenant.api("POST", &path, Some(json!({"line": 4}))).await.ok();
    assert_ne!(third["subject"], first["subject"]);
    assert_eq!(
        code(&tenant.api("POST", &path, Some(json!({"line": 1000}))).await),
        (404, "row_missing".to_owned())
    );
    let tried = |html: &str| json!({"template": {"from_address": format!("a@{}", tenant.domain), "subject": "x", "html": html}});
    let answer = tenant.api("POST", &path, Some(tried("{{ nonsense }}{{ unsubscribe_url }}"))).await;
    assert_eq!(code(&answer), (422, "template_field".to_owned()));
    let answer = tenant.api("POST", &path, Some(tried("{{ vorname|round }}{{ unsubscribe_url }}"))).await;
    assert_eq!(code(&answer), (422, "template_render".to_owned()));
    assert!(!answer.text().contains("Jürgen"), "{}", answer.text());
    let shown =
        tenant.api("POST", &path, Some(tried("<b>{{ vorname }}</b>{{ unsubscribe_url }}"))).await.ok();
    assert!(shown["html"].as_str().unwrap().contains("<b>Jürgen</b>"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_rows_are_listed_page_by_page() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rejects").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 20, bad: 5, ..Plan::default() };
    let import = import(&tenant, campaign, "list.csv", plan).await;
    assert_eq!(import["rejected"], 5);
    let path = format!("/v1/imports/{}/errors", import["id"]);
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let page = tenant.api("GET", &format!("{path}?limit=2{after}"), None).await.ok();
        for row in page["items"].as_array().unwrap() {
            assert!(row["code"].as_str().unwrap().starts_with("address_"), "{row}");
            lines.push(row["line"].as_i64().unwrap());
        }
        if page["next"].is_null() {
            break;
        }
        after = format!("&after={}", page["next"]);
    }
    assert_eq!(lines.len(), 5);
    assert!(lines.is_sorted() && lines[0] > 1, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_is_suppressed_found_and_told_of() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "person").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 4, ..Plan::default() };
    let address = plan.address(2).to_uppercase();
    import(&tenant, campaign, "list.csv", plan).await;
    let person = json!({"address": address});
    let check = async || tenant.api("POST", "/v1/suppressions/check", Some(person.clone())).await.ok();
    assert_eq!(check().await["suppressed"], false);
    assert_eq!(tenant.api("POST", "/v1/suppressions", Some(person.clone())).await.status, 204);
    assert_eq!(check().await["reason"], "manual");

    tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), None).await.ok();
    let accounting = tenant.mailed(campaign, 4).await;
    assert_eq!((accounting.number("ledger.sent"), accounting.number("ledger.suppressed")), (3, 1));

    let held = tenant.api("POST", "/v1/recipients/access", Some(person.clone())).await.ok();
    let row = &held["campaigns"][0]["rows"][0];
    assert_eq!((&held["suppressed"]["reason"], &row["recipient_key"]), (&json!("manual"), &json!("K2")));
    assert_eq!(row["fields"]["Vorname"], "Анна");
    assert_eq!(held["campaigns"][0]["mail"]["state"], "suppressed");

    let mut removal = person.clone();
    removal["reason"] = json!("asked for mails again");
    assert_eq!(tenant.api("POST", "/v1/suppressions/remove", Some(removal.clone())).await.status, 204);
    assert_eq!(check().await["suppressed"], false);
    removal["reason"] = json!("because ann@example.org said so");
    assert_eq!(
        code(&tenant.api("POST", "/v1/suppressions/remove", Some(removal)).await),
        (422, "field_invalid".to_owned())
    );
    assert_eq!(tenant.api("POST", "/v1/recipients/erasure", Some(person)).await.status, 202);

    // The audit has who did what with which key, and no address.
    let mut database = tenant.superuser().await;
    let lines: Vec<(String, String, Option<String>, String)> = sqlx::query_as(
        "SELECT actor, action, subject, result FROM broadcast.audit WHERE tenant_id = $1 ORDER BY id",
    )
    .bind(tenant.id)
    .fetch_all(&mut database)
    .await
    .unwrap();
    let actor = format!("api key {}", &tenant.api_key[3..15]);
    for action in
        ["check_suppression", "add_suppression", "access_recipient", "remove_suppression", "erase_recipient"]
    {
        assert!(lines.iter().any(|line| line.0 == actor && line.1 == action), "{action}: {lines:?}");
    }
    assert!(lines.iter().any(|line| line.3 == "done: asked for mails again"), "{lines:?}");
    assert!(!format!("{lines:?}").to_lowercase().contains(&tenant.recipients_domain), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_bound_rotated_and_ended() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "apikeys").await;
    let ask = async |key: &str, from: &str| {
        let answer = tenant.call(Some(key), "GET", "/v1/campaigns", &[("x-forwarded-for", from)], None).await;
        if answer.status == 200 { "ok".to_owned() } else { code(&answer).1 }
    };
    let body = json!({"name": "warehouse", "scopes": ["campaigns:read"], "sources": ["192.0.2.0/24"]});
    let made = tenant.api("POST", "/v1/keys", Some(body)).await.ok();
    let (id, old) = (&made["id"], made["key"].as_str().unwrap());
    assert_eq!(
        (ask(old, "192.0.2.9").await, ask(old, "203.0.113.9").await),
        ("ok".to_owned(), "key_network".to_owned())
    );

    let narrow = tenant.key(&["keys:write"]).await;
    let wide = json!({"name": "x", "scopes": ["campaigns:read"]});
    let answer = tenant.call(Some(&narrow), "POST", "/v1/keys", &[], Some(&wide)).await;
    assert_eq!(code(&answer), (403, "scope_own".to_owned()));

    // Both are valid, then the new one alone.
    let rotated =
        tenant.api("POST", &format!("/v1/keys/{id}/rotation"), Some(json!({"overlap_hours": 1}))).await.ok();
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(
        (ask(old, "192.0.2.9").await, ask(new, "192.0.2.9").await),
        ("ok".to_owned(), "ok".to_owned())
    );
    let again = tenant.api("POST", &format!("/v1/keys/{id}/rotation"), None).await;
    assert_eq!(code(&again), (409, "key_replaced".to_owned()));
    let mut database = tenant.superuser().await;
    sqlx::query("UPDATE broadcast.api_keys SET expires_at = now() WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.id)
        .bind(id.as_i64())
        .execute(&mut database)
        .await
        .unwrap();
    // A key that was used a moment ago is known for a few seconds.
    wait::until("the old key's end", async || (ask(old, "192.0.2.9").await == "key_expired").then_some(()))
        .await;
    assert_eq!(ask(new, "192.0.2.9").await, "ok");

    let listed = tenant.api("GET", "/v1/keys", None).await.ok();
    let entry = listed["items"].as_array().unwrap().iter().find(|key| key["id"] == rotated["id"]).unwrap();
    assert_eq!((&entry["name"], &entry["sources"]), (&json!("warehouse"), &json!(["192.0.2.0/24"])));
    assert!(entry["last_used_at"].is_string() && !listed.to_string().contains(&new[16..]), "{listed}");

    assert_eq!(tenant.api("DELETE", &format!("/v1/keys/{}", rotated["id"]), None).await.status, 204);
    wait::until("the new key's end", async || (ask(new, "192.0.2.9").await == "key_invalid").then_some(()))
        .await;

    let secret = testkit::tenant::admin(
        &stack,
        json!({"command": "create_api_key", "slug": tenant.slug, "key": {"name": "slow", "scopes": ["campaigns:read"], "requests_per_minute": 3}}),
    )
    .await;
    let slow = tenant.aws.secret(secret["secret"].as_str().unwrap()).await;
    // Three in a minute, and the minute may end in between.
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(tenant.call(Some(&slow), "GET", "/v1/campaigns", &[], None).await);
    }
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!((2..=5).contains(&limited.len()), "{}", limited.len());
    assert_eq!(code(limited[0]), (429, "rate_limited".to_owned()));
    assert!(limited[0].headers.contains_key("retry-after"));
    assert_eq!(answers[0].headers["ratelimit-policy"], "\"key\";q=3;w=60");
    assert!(answers[0].headers["ratelimit"].to_str().unwrap().starts_with("\"key\";r=2;t="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_deleted_when_its_owner_asks() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "delete").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 2, ..Plan::default() };
    import(&tenant, campaign, "list.csv", plan).await;
    let path = format!("/v1/campaigns/{campaign}");
    let deletion = format!("{path}/deletion");
    let answer = tenant.api("POST", &deletion, None).await;
    assert_eq!((answer.status.as_u16(), answer.json()["state"].clone()), (202, json!("deleting")));
    assert_eq!(tenant.api("POST", &deletion, None).await.status, 202);
    let late = tenant.api("POST", &format!("{path}/launches"), None).await;
    assert_eq!(code(&late), (409, "campaign_ended".to_owned()));
    wait::until("the deletion", async || {
        sweep(&tenant, time::OffsetDateTime::now_utc()).await;
        (tenant.api("GET", &path, None).await.ok()["state"] == "deleted").then_some(())
    })
    .await;
    assert_eq!(tenant.stack_schemas(&[campaign]).await, 0);
    let receipts = tenant.api("GET", "/v1/receipts", None).await.ok();
    let recipients =
        receipts["items"].as_array().unwrap().iter().find(|receipt| receipt["what"] == "recipients").unwrap();
    assert_eq!((&recipients["count"], &recipients["rule"]), (&json!(2), &json!("asked for by the customer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_import_call_still_works() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "batches").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: 9, bad: 1, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    let bearer = format!("Bearer {}", tenant.api_key);
    let url = format!("{}/v2/batches/{campaign}/import", stack.api_url);
    let ask = async |method: &str, url: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/xml")];
        tenant.http.send(method, url, &headers, body.to_owned()).await
    };
    let status = format!("{url}/status");
    assert_eq!(ask("GET", &status, "").await.status, 404);
    let body = "<?xml version=\"1.0\"?><importRequest><filePath>/Incoming/list.csv</filePath><properties>\
                <property name=\"Delimiter\">;</property><property name=\"Encoding\">UTF-8</property></properties></importRequest>";
    let answer = ask("POST", &url, body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers["content-type"].to_str().unwrap()),
        (202, "application/xml")
    );
    let told = wait::until("the import", async || {
        let answer = ask("GET", &status, "").await.text();
        answer.contains("<status>finished</status>").then_some(answer)
    })
    .await;
    for element in [
        "<imported_count>9</imported_count>",
        "<invalid_count>1</invalid_count>",
        "<column_count>5</column_count>",
    ] {
        assert!(told.contains(element), "{told}");
    }
    assert_eq!(ask("POST", &url, "<importRequest/>").await.status, 400);
    assert_eq!(
        code(&tenant.api("POST", &format!("/v2/batches/{campaign}/import"), Some(json!({}))).await).0,
        415
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_by_their_name() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "mistakes").await;
    let key = Some(tenant.api_key.as_str());
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(3 * 1024 * 1024));
    let deep = format!("{{\"name\": {}1{}}}", "[".repeat(20), "]".repeat(20));
    let url = format!("{}/v1/campaigns", stack.api_url);
    let bearer = format!("Bearer {}", tenant.api_key);
    for (kind, body, status, expected, words) in [
        ("application/json", "{\"nane\": \"x\"}", 400, "body_malformed", "`nane`"),
        ("application/json", "{\"name\": 7}", 400, "body_malformed", "line 1"),
        ("application/json", "{\"name\": \"a/b\"}", 422, "field_invalid", "\"name\""),
        ("text/plain", "{\"name\": \"x\"}", 415, "media_type", "application/json"),
        ("application/json", &long, 413, "body_too_large", "3 MiB"),
        ("application/json", &deep, 400, "body_malformed", "16 deep"),
    ] {
        let answer = tenant
            .http
            .send("POST", &url, &[("authorization", &bearer), ("content-type", kind)], body.to_owned())
            .await;
        assert_eq!(code(&answer), (status, expected.to_owned()), "{}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let answer = tenant
        .call(key, "POST", "/v1/campaigns", &[("idempotency-key", "")], Some(&json!({"name": "x"})))
        .await;
    assert_eq!(code(&answer), (400, "header_malformed".to_owned()));
    let answer = tenant.api("DELETE", "/v1/campaigns", None).await;
    assert_eq!(code(&answer), (405, "method_unknown".to_owned()));
    assert!(answer.headers["allow"].to_str().unwrap().contains("POST"), "{:?}", answer.headers);
    assert_eq!(code(&tenant.api("GET", "/v1/nonsense", None).await), (404, "not_found".to_owned()));
    assert_eq!(
        code(&tenant.api("GET", "/v1/campaigns?offset=1", None).await),
        (400, "query_malformed".to_owned())
    );
    let answer = tenant.api("GET", "/v1/campaigns/1", None).await;
    let page = answer.json()["type"].as_str().unwrap().to_owned();
    assert_eq!(tenant.call(None, "GET", &page, &[], None).await.status, 200);
}
