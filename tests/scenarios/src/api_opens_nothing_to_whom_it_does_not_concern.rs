//! Every operation of the API, as its own description lists them: without a key, with a wrong one, an expired one, one without the scope, and
//! one of another tenant. Each is refused with the right code, and what is another's looks like what does not exist.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, http::Answer, wait};

/// Who has no such thing asks for this.
const NOBODYS: &str = "987654321";

/// Of the import call of version 2.
const XML: &str = "<importRequest><filePath>list.csv</filePath></importRequest>";

struct Operation {
    id: String,
    method: String,
    path: String,
    scope: String,
    content_type: String,
    body: String,
}

/// All of them, with the example that the description gives of each body.
async fn operations(tenant: &Tenant) -> Vec<Operation> {
    let document = tenant.call(None, "GET", "/openapi.json", &[], None).await.ok();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content =
                operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
            let (content_type, body) = content.map_or((String::new(), String::new()), |(kind, content)| {
                let json = kind == "application/json";
                (kind.clone(), if json { content["example"].to_string() } else { XML.to_owned() })
            });
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                scope: operation["security"][0]["key"][0].as_str().unwrap().to_owned(),
                content_type,
                body,
            });
        }
    }
    operations
}

impl Operation {
    async fn ask(&self, tenant: &Tenant, key: Option<&str>, path: &str) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut headers = Vec::new();
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        headers.extend(
            Some(self.content_type.as_str())
                .filter(|kind| !kind.is_empty())
                .map(|kind| ("content-type", kind)),
        );
        let url = format!("{}{path}", tenant.stack.api_url);
        tenant.http.send(&self.method, &url, &headers, self.body.clone()).await
    }

    /// The path with these in place of what stands between braces.
    fn with(&self, of: impl Fn(&str) -> String) -> String {
        let mut before = "";
        let parts = self.path.split('/').map(|part| {
            let filled = if part.starts_with('{') { of(before) } else { part.to_owned() };
            before = part;
            filled
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// One of everything that has an id, by the part of the path before it.
async fn one_of_each(tenant: &Tenant) -> BTreeMap<&'static str, String> {
    let campaign = tenant.campaign("spring").await;
    let list = Plan { domain: tenant.recipients_domain.clone(), good: 3, bad: 1, ..Plan::default() }.write();
    tenant.put("list.csv", list).await;
    let call = json!({"file": "list.csv", "overrides": {"bad_rows_max_percent": 100}});
    let import =
        tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await.ok()["id"]
            .as_i64()
            .unwrap();
    wait::until("the import", async || {
        let import = tenant.api("GET", &format!("/v1/imports/{import}"), None).await.ok();
        (import["state"] == "finished").then_some(())
    })
    .await;
    tenant.api("PUT", "/v1/profiles/crm", Some(json!({"delimiter": ";"}))).await.ok();
    let key =
        tenant.api("POST", "/v1/keys", Some(json!({"name": "k", "scopes": ["campaigns:read"]}))).await.ok();
    let launch =
        tenant.api("POST", &format!("/v1/campaigns/{campaign}/launches"), Some(json!({}))).await.ok();
    let webhook = json!({"url": "https://hooks.example/x", "events": ["export.ready"]});
    let webhook = tenant.api("POST", "/v1/webhooks", Some(webhook)).await.ok();
    let person = json!({"address": format!("zed@{}", tenant.recipients_domain)});
    let erasure = tenant.api("POST", "/v1/recipients/erasure", Some(person)).await.ok();
    let mut database = tenant.superuser().await;
    let export: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.exports (tenant_id, campaign_id, seq_from, seq_to, planned_at) VALUES ($1, $2, 0, 1, now()) RETURNING id",
    )
    .bind(tenant.id)
    .bind(campaign)
    .fetch_one(&mut database)
    .await
    .unwrap();
    let (_, login) = testkit::sftp::keygen(tempfile::tempdir().unwrap().path());
    let login = tenant.api("POST", "/v1/ssh-keys", Some(json!({"public_key": login}))).await.ok();
    let pgp_keys = tenant.api("GET", "/v1/pgp-keys", None).await.ok();
    let files = tenant.api("GET", "/v1/files", None).await.ok();
    BTreeMap::from([
        ("files", files["items"][0]["id"].to_string()),
        ("ssh-keys", login["id"].to_string()),
        ("pgp-keys", pgp_keys["items"][0]["id"].to_string()),
        ("campaigns", campaign.to_string()),
        ("batches", campaign.to_string()),
        ("imports", import.to_string()),
        ("launches", launch["id"].to_string()),
        ("exports", export.to_string()),
        ("erasures", erasure["id"].to_string()),
        ("webhooks", webhook["id"].to_string()),
        ("keys", key["id"].to_string()),
        ("profiles", "crm".to_owned()),
        ("sender-domains", tenant.domain.clone()),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_its_key_and_scope() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "matrix").await;
    let operations = operations(&tenant).await;
    assert!(operations.len() > 35, "{}", operations.len());
    let (prefix, unknown) = (&tenant.api_key[..15], "bk_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let forged = format!("{prefix}_{}", "a".repeat(32));
    let expired = tenant.key(&["campaigns:read"]).await;
    let mut database = tenant.superuser().await;
    sqlx::query("UPDATE broadcast.api_keys SET expires_at = now() WHERE tenant_id = $1 AND prefix = $2")
        .bind(tenant.id)
        .bind(&expired[3..15])
        .execute(&mut database)
        .await
        .unwrap();
    let mut scopes: Vec<&str> = operations.iter().map(|operation| operation.scope.as_str()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let mut without = BTreeMap::new();
    for scope in &scopes {
        let others: Vec<&str> = scopes.iter().copied().filter(|other| other != scope).collect();
        without.insert(*scope, tenant.key(&others).await);
    }
    for operation in &operations {
        let path = operation.with(|_| NOBODYS.to_owned());
        for (key, expected) in [
            (None, (401, "key_missing")),
            (Some("nonsense"), (401, "key_invalid")),
            (Some(unknown), (401, "key_invalid")),
            (Some(forged.as_str()), (401, "key_invalid")),
            (Some(expired.as_str()), (401, "key_expired")),
            (Some(without[operation.scope.as_str()].as_str()), (403, "scope_missing")),
        ] {
            let answer = operation.ask(&tenant, key, &path).await;
            assert_eq!(
                refused(&answer),
                (expected.0, expected.1.to_owned()),
                "{} with {key:?}",
                operation.id
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_looks_like_what_is_not() {
    let stack = Stack::from_env().unwrap();
    let (owner, other) = (Tenant::new(&stack, "owner").await, Tenant::new(&stack, "other").await);
    let things = one_of_each(&owner).await;
    let mut asked = 0;
    for operation in operations(&owner).await.iter().filter(|operation| operation.path.contains('{')) {
        // Names are each tenant's own: the other one makes a profile of this name for itself.
        if operation.id == "replace_profile" {
            continue;
        }
        let path =
            operation.with(|kind| things.get(kind).unwrap_or_else(|| panic!("{}", operation.id)).clone());
        let answer = operation.ask(&other, Some(&other.api_key), &path).await;
        let missing =
            operation.ask(&other, Some(&other.api_key), &operation.with(|_| NOBODYS.to_owned())).await;
        assert_eq!(
            refused(&answer),
            (404, "not_found".to_owned()),
            "{} {path}: {}",
            operation.id,
            answer.text()
        );
        assert_eq!(answer.text(), missing.text(), "{} tells that it exists", operation.id);
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
    // Nothing of it was touched: the owner sees all of it.
    for (kind, id) in things
        .iter()
        .filter(|(kind, _)| !matches!(**kind, "batches" | "keys" | "files" | "ssh-keys" | "pgp-keys"))
    {
        owner.api("GET", &format!("/v1/{kind}/{id}"), None).await.ok();
    }
    let keys = owner.api("GET", "/v1/keys", None).await.ok();
    assert!(
        keys["items"].as_array().unwrap().iter().any(|key| key["id"].as_i64() == things["keys"].parse().ok()),
        "{keys}"
    );
    // Nor does what it names in bodies reach across: files, addresses.
    let campaign = other.campaign("spring").await;
    owner.put("secret.csv", "email\n").await;
    let call = json!({"file": "secret.csv"});
    let answer = other.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await;
    assert_eq!(refused(&answer), (404, "file_missing".to_owned()));
    let address = json!({"address": format!("Kunde.0@{}", owner.recipients_domain)});
    let held: Value = other.api("POST", "/v1/recipients/access", Some(address.clone())).await.ok();
    assert_eq!(held, json!({"suppressed": null, "campaigns": []}));
    owner.api("POST", "/v1/suppressions", Some(address.clone())).await.ok();
    assert_eq!(other.api("POST", "/v1/suppressions/check", Some(address)).await.ok()["suppressed"], false);
}
