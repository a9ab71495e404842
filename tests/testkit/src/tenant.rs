//! A customer of one test alone: made by `admin` as an operator would, with all that belongs to it.

use std::path::PathBuf;

use localstack::Stack;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    aws::Aws,
    http::{Answer, Http},
    sftp::{self, Login, Sftp},
    ssh::Ssh,
    unique,
};

/// The template of tests: every field of [`crate::csv::Plan`], two links.
pub const HTML: &str = r#"<!doctype html><html><head><meta charset="utf-8"><title>Spring</title></head><body>
<h1>Hello {{ vorname }} {{ nachname }}!</h1>
<p><a href="https://shop.example/spring?customer={{ kundennummer }}">Our spring offers</a> or <a href="https://shop.example/about">about us</a>.</p>
<p>{{ notiz|default("") }}</p><p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"#;
pub const TEXT: &str = "Hello {{ vorname }} {{ nachname }}!\n\nhttps://shop.example/spring\n\nUnsubscribe: {{ unsubscribe_url }}\n";

pub struct Tenant {
    pub stack: Stack,
    pub aws: Aws,
    pub http: Http,
    pub id: i64,
    pub slug: String,
    pub bucket: String,
    pub api_key: String,
    pub sftp_password: String,
    /// The public half of the tenant's Broadcast key: uploads are encrypted to it.
    pub pgp_key: String,
    pub ssh_key: PathBuf,
    /// The domain from which it sends, confirmed.
    pub domain: String,
    /// A domain that no other test mails to.
    pub recipients_domain: String,
    pub folder: TempDir,
}

/// Invokes `admin`, as an operator does; panics when it refuses.
pub async fn admin(stack: &Stack, command: Value) -> Value {
    serde_json::from_str(&invoke(stack, "admin", &command).await).unwrap()
}

/// Invokes a function; panics when it fails.
pub async fn invoke(stack: &Stack, function: &str, event: &Value) -> String {
    let answer = localstack::invoke(stack, function, &event.to_string()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{function} {event}: {error}"));
    assert!(!answer.failed, "{function} {event}: {}", answer.payload);
    answer.payload
}

impl Tenant {
    /// A new tenant with default settings.
    pub async fn new(stack: &Stack, name: &str) -> Self {
        Self::with(stack, name, json!({})).await
    }

    /// A new tenant with settings of `create_tenant`.
    pub async fn with(stack: &Stack, name: &str, settings: Value) -> Self {
        let slug = unique(&name.chars().take(8).collect::<String>());
        let folder = tempfile::tempdir().unwrap();
        let (ssh_key, public) = sftp::keygen(folder.path());
        let mut command =
            json!({"command": "create_tenant", "slug": slug, "name": name, "ssh_keys": [public]});
        command.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let made = admin(stack, command).await;
        let domain = format!("{slug}.sender.example");
        admin(stack, json!({"command": "add_sender_domain", "slug": slug, "domain": domain})).await;
        admin(stack, json!({"command": "confirm_sender_domain", "domain": domain, "by": "testkit"})).await;
        let aws = Aws::new(stack).await;
        let text =
            |field: &str| made[field].as_str().unwrap_or_else(|| panic!("{field} in {made}")).to_owned();
        Self {
            id: made["id"].as_i64().expect("the tenant's id"),
            bucket: text("bucket"),
            api_key: aws.secret(&text("api_key_secret")).await,
            sftp_password: aws.secret(&text("sftp_password_secret")).await,
            pgp_key: text("pgp_public_key"),
            http: Http::default(),
            recipients_domain: format!("{slug}.example"),
            stack: stack.clone(),
            aws,
            slug,
            ssh_key,
            domain,
            folder,
        }
    }

    /// One call of the HTTP API.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.api_key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let url = format!("{}{path}", self.stack.api_url);
        self.http.send(method, &url, &headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// One call with any key, or none, and further headers.
    pub async fn call(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut all = vec![("content-type", "application/json")];
        all.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        all.extend(headers);
        let url = format!("{}{path}", self.stack.api_url);
        self.http.send(method, &url, &all, body.map(ToString::to_string).unwrap_or_default()).await
    }

    /// Makes a key with some scopes, by the tenant's first one; its text.
    pub async fn key(&self, scopes: &[&str]) -> String {
        let body = json!({"name": "test", "scopes": scopes});
        let made = self.api("POST", "/v1/keys", Some(body)).await.ok();
        made["key"].as_str().unwrap().to_owned()
    }

    /// A campaign with the tests' template.
    pub async fn campaign(&self, name: &str) -> i64 {
        let made = self.api("POST", "/v1/campaigns", Some(json!({"name": name}))).await.ok();
        let id = made["id"].as_i64().unwrap();
        let template = json!({"from_name": "Acme", "from_address": format!("news@{}", self.domain), "subject": "Spring for {{ vorname }}",
                              "html": HTML, "text": TEXT});
        self.api("PUT", &format!("/v1/campaigns/{id}/template"), Some(template)).await.ok();
        id
    }

    /// What became of every row and every address.
    pub async fn accounting(&self, campaign: i64) -> Accounting {
        let answer = self.api("GET", &format!("/v1/campaigns/{campaign}/accounting"), None).await.ok();
        Accounting(answer)
    }

    /// Waits until a number of rows was imported or rejected and every mail has come to its end.
    pub async fn mailed(&self, campaign: i64, rows: u64) -> Accounting {
        crate::wait::until(&format!("{rows} rows of campaign {campaign} to be mailed"), async || {
            let accounting = self.accounting(campaign).await;
            (accounting.number("rows") >= rows && accounting.settled()).then_some(accounting)
        })
        .await
    }

    /// The reasons of the campaign's refused imports.
    pub async fn refused_imports(&self, campaign: i64) -> Vec<String> {
        let imports = self.imports(campaign).await;
        let refused = imports.iter().filter(|import| import["state"] == "refused");
        refused.map(|import| import["reason"].as_str().unwrap_or("?").to_owned()).collect()
    }

    pub async fn imports(&self, campaign: i64) -> Vec<Value> {
        let answer = self.api("GET", &format!("/v1/campaigns/{campaign}/imports"), None).await.ok();
        answer["items"].as_array().cloned().unwrap_or_default()
    }

    /// How many of the campaigns' schemas are still there.
    pub async fn stack_schemas(&self, campaigns: &[i64]) -> u64 {
        let names: Vec<String> = campaigns.iter().map(|id| format!("campaign_{id}")).collect();
        let mut database = self.superuser().await;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = ANY($1)")
            .bind(names)
            .fetch_one(&mut database)
            .await
            .unwrap();
        u64::try_from(count).unwrap()
    }

    /// A connection that sees everything: for looking, not for working.
    pub async fn superuser(&self) -> sqlx::PgConnection {
        <sqlx::PgConnection as sqlx::Connection>::connect(&self.stack.superuser_database_url).await.unwrap()
    }

    /// What every scenario ends with: the campaign's sums agree, and nothing of this tenant died in a queue.
    pub async fn all_is_well(&self, campaign: i64) {
        let accounting = self.accounting(campaign).await;
        assert!(accounting.balanced(), "the sums do not agree: {accounting:?}");
        let marks =
            [format!("\"tenant\":{},", self.id), format!("\"tenant\":{}}}", self.id), self.bucket.clone()];
        for (name, queue) in &self.stack.deployment.queues {
            let dead = self.aws.peek(&queue.dead_letter_url).await;
            let ours: Vec<_> =
                dead.iter().filter(|body| marks.iter().any(|mark| body.contains(mark))).collect();
            assert!(ours.is_empty(), "dead letters of {name}: {ours:?}");
        }
    }

    pub fn sftp(&self) -> Sftp {
        Sftp::new(&self.stack, &self.slug, Login::Key(self.ssh_key.clone()))
    }

    /// A connection by hand, logged in with the key.
    pub async fn ssh(&self) -> Ssh {
        let mut ssh = Ssh::connect(&self.stack.sftp, &self.slug).await;
        assert!(ssh.key(&self.ssh_key).await.success(), "the key does not log in");
        ssh
    }

    pub fn sftp_by_password(&self) -> Sftp {
        Sftp::new(&self.stack, &self.slug, Login::Password(self.sftp_password.clone()))
    }

    /// Puts a file into Incoming, not through the gateway.
    pub async fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.aws.put(&self.bucket, &format!("Incoming/{name}"), bytes).await;
    }

    /// Puts a control file that launches the campaign.
    pub async fn control(&self, file: &str, campaign: &str, launch: bool) {
        self.put(&format!("{file}.ctl"), json!({"campaign": campaign, "launch": launch}).to_string()).await;
    }

    pub fn mails(&self) -> Vec<crate::mailbox::Mail> {
        crate::mailbox::read(&self.stack, &self.recipients_domain)
    }
}

/// The API's accounting of one campaign.
#[derive(Debug, Clone)]
pub struct Accounting(pub Value);

impl Accounting {
    /// A number by its path, `0` when absent: `number("ledger.sent")`.
    pub fn number(&self, path: &str) -> u64 {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.0.pointer(&pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether every address of the campaign has come to an end, and there are some.
    pub fn settled(&self) -> bool {
        let open: u64 = ["pending", "spooled", "sending", "deferred"]
            .iter()
            .map(|state| self.number(&format!("ledger.{state}")))
            .sum();
        let all: u64 =
            self.0["ledger"].as_object().map_or(0, |states| states.values().filter_map(Value::as_u64).sum());
        let elsewhere = self.number("duplicates") + self.number("erased");
        open == 0 && all > 0 && all + elsewhere == self.number("imported")
    }

    pub fn balanced(&self) -> bool {
        self.0["balanced"] == true
    }
}
