//! What the scenarios of webhooks share: a tenant's webhook, made by hand, and what became of its deliveries.

use access::{MasterKey, WebhookSecret};
use contract::{
    TenantId, WebhookId,
    webhook::{Event, Test},
};
use serde_json::json;
use sqlx::FromRow;
use testkit::{Tenant, receiver::Told, wait};
use time::OffsetDateTime;

/// All types that a webhook can want.
pub(crate) const ALL: [&str; 3] = ["import.ended", "launch.ended", "export.ready"];

/// One address that a tenant named.
pub(crate) struct Webhook<'a> {
    tenant: &'a Tenant,
    pub id: i64,
    pub secret: WebhookSecret,
}

/// The one delivery of a webhook.
#[derive(Debug, FromRow)]
pub(crate) struct Delivery {
    pub state: String,
    pub attempts: i32,
    pub status: Option<i32>,
    pub problem: Option<String>,
    pub due_at: Option<OffsetDateTime>,
}

impl Delivery {
    pub fn problem(&self) -> &str {
        self.problem.as_deref().unwrap_or("none")
    }
}

pub(crate) async fn master(tenant: &Tenant) -> MasterKey {
    let name = &tenant.stack.deployment.environment["MASTER_KEY_SECRET"];
    MasterKey::from_base64(&tenant.aws.secret(name).await).unwrap()
}

impl<'a> Webhook<'a> {
    pub async fn new(tenant: &'a Tenant, url: &str, events: &[&str]) -> Self {
        let secret = WebhookSecret::generate().unwrap();
        let id = sqlx::query_scalar(
            "INSERT INTO broadcast.webhooks (tenant_id, url, events, secret_sealed) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(tenant.id)
        .bind(url)
        .bind(events)
        .bind(secret.seal(&master(tenant).await, TenantId(tenant.id)).unwrap())
        .fetch_one(&mut tenant.superuser().await)
        .await
        .unwrap();
        Self { tenant, id, secret }
    }

    /// Writes a test event for it, and tells nobody. Says whether it was wanted.
    pub async fn announce(&self) -> bool {
        let event = Event::Test(Test { webhook: WebhookId(self.id) });
        let mut database = self.tenant.superuser().await;
        store::announce(&mut database, TenantId(self.tenant.id), &event, OffsetDateTime::now_utc())
            .await
            .unwrap()
    }

    /// A webhook at this address, a test event, and the message that it waits.
    pub async fn told(tenant: &'a Tenant, url: &str) -> Self {
        let webhook = Self::new(tenant, url, &ALL).await;
        assert!(webhook.announce().await);
        nudge(tenant).await;
        webhook
    }

    /// Its newest delivery.
    pub async fn delivery(&self) -> Delivery {
        sqlx::query_as(
            "SELECT state, attempts, status, problem, due_at FROM broadcast.webhook_deliveries WHERE webhook_id = $1
             ORDER BY id DESC LIMIT 1",
        )
        .bind(self.id)
        .fetch_one(&mut self.tenant.superuser().await)
        .await
        .unwrap()
    }

    pub async fn until(&self, what: &str, expected: impl Fn(&Delivery) -> bool) -> Delivery {
        wait::until_so(what, async || self.delivery().await, expected).await
    }

    /// Waits until so many attempts have failed, and the next one is set.
    pub async fn until_failed(&self, attempts: i32) -> Delivery {
        let so = |delivery: &Delivery| delivery.attempts >= attempts && delivery.problem.is_some();
        self.until(&format!("attempt {attempts} to fail"), so).await
    }

    pub async fn until_delivered(&self) -> Delivery {
        self.until("the delivery", |delivery| delivery.state == "delivered").await
    }

    /// What waits is due now, as if time had passed; and the message that it is.
    pub async fn make_due(&self) {
        sqlx::query(
            "UPDATE broadcast.webhook_deliveries SET due_at = now(), problem = NULL WHERE webhook_id = $1 AND state = 'waiting'",
        )
        .bind(self.id)
        .execute(&mut self.tenant.superuser().await)
        .await
        .unwrap();
        nudge(self.tenant).await;
    }

    /// As a receiver does, which has the secret.
    pub fn has_signed(&self, told: &Told) -> bool {
        told.header("webhook-signature").split(' ').any(|signature| signature == signed(&self.secret, told))
    }
}

/// The signature of a request by a secret.
pub(crate) fn signed(secret: &WebhookSecret, told: &Told) -> String {
    secret.sign(told.header("webhook-id"), told.header("webhook-timestamp").parse().unwrap(), &told.body)
}

/// The message that something is due for a tenant.
pub(crate) async fn nudge(tenant: &Tenant) {
    let queue = &tenant.stack.deployment.queues["notify"].url;
    tenant.aws.send(queue, &json!({"type": "tenant.v1", "tenant": tenant.id}).to_string()).await;
}
