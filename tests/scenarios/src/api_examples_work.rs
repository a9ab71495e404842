//! Every example of the API's description is sent as it stands there, to things that exist, and answered with a success that the description
//! names. What comes in a later version says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{Stack, Tenant, wait};

/// What must be there before: the template for the preview, the import for the launch. The others come in any order, and these in this one.
const FIRST: [&str; 3] = ["replace_template", "create_import", "preview_template"];

struct Example {
    id: String,
    method: String,
    path: String,
    body: Value,
    statuses: Vec<String>,
}

fn examples(document: &Value) -> Vec<Example> {
    let mut examples = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            if body.is_null() {
                continue;
            }
            let statuses = operation["responses"].as_object().unwrap().keys();
            examples.push(Example {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                body: body.clone(),
                statuses: statuses
                    .filter(|status| status.starts_with('2') || *status == "501")
                    .cloned()
                    .collect(),
            });
        }
    }
    examples
        .sort_by_key(|example| FIRST.iter().position(|first| *first == example.id).unwrap_or(FIRST.len()));
    examples
}

#[tokio::test(flavor = "multi_thread")]
async fn as_they_stand_there() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "examples").await;
    let campaign =
        tenant.api("POST", "/v1/campaigns", Some(json!({"name": "examples"}))).await.ok()["id"].to_string();
    let key =
        tenant.api("POST", "/v1/keys", Some(json!({"name": "k", "scopes": ["campaigns:read"]}))).await.ok();
    let webhook = json!({"url": "https://hooks.example/", "events": ["export.ready"]});
    let webhook = tenant.api("POST", "/v1/webhooks", Some(webhook)).await.ok();
    tenant.put("list.csv", "email;first_name\nann@example.org;Ann\n").await;
    let ids = BTreeMap::from([
        ("campaigns", campaign.clone()),
        ("keys", key["id"].to_string()),
        ("webhooks", webhook["id"].to_string()),
        ("profiles", "crm".to_owned()),
    ]);
    let document = tenant.call(None, "GET", "/openapi.json", &[], None).await.ok();
    let examples = examples(&document);
    assert!(examples.len() > 15, "{}", examples.len());
    for example in examples {
        let mut before = "";
        let parts = example.path.split('/').map(|part| {
            let part_of = if part.starts_with('{') { ids[before].as_str() } else { part };
            before = part;
            part_of
        });
        let path = parts.collect::<Vec<_>>().join("/");
        // The domain that this account may send from.
        let body = example.body.to_string().replace("acme.example", &tenant.domain);
        let body = serde_json::from_str(&body).unwrap();
        let answer = tenant.api(&example.method, &path, Some(body)).await;
        let status = answer.status.as_str().to_owned();
        assert!(example.statuses.contains(&status), "{}: {status}: {}", example.id, answer.text());
        if example.id == "create_import" {
            let import = answer.json()["id"].clone();
            wait::until("the import", async || {
                let import = tenant.api("GET", &format!("/v1/imports/{import}"), None).await.ok();
                assert_ne!(import["state"], "refused", "{import}");
                (import["state"] == "finished").then_some(())
            })
            .await;
        }
    }
}
