//! Webhooks: where the account's own systems are told of ends. The function notify tells them.

use std::{collections::BTreeSet, sync::Arc};

use access::{WebhookSecret, may_be_told};
use axum::{Json, extract::State, response::Response};
use contract::{
    NotifyMessage, WebhookId,
    webhook::{Event, Test},
};
use fault::{Code, Notice};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use time::OffsetDateTime;
use url::{Host, Url};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    request::{Document, Id, MaybeDocument, Page, invalid},
    rotation::Rotation,
};

/// Of one account. Each system of a customer has one.
const WEBHOOKS_MAX: i64 = 20;
/// As the database checks it.
const URL_BYTES_MAX: usize = 2048;
/// What may be told, as the database checks it.
const EVENTS: [&str; 3] = ["import.ended", "launch.ended", "export.ready"];

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// `https`, without a user or a password, at a public address.
    #[schema(max_length = 2048, pattern = "^https://")]
    url: String,
    /// `import.ended`, `launch.ended`, `export.ready`.
    #[schema(min_items = 1)]
    events: Vec<String>,
}

/// What of a webhook changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChange {
    #[serde(default)]
    #[schema(max_length = 2048, pattern = "^https://")]
    url: Option<String>,
    #[serde(default)]
    #[schema(min_items = 1)]
    events: Option<Vec<String>>,
    /// Whether it is told anything. One whose receiver answered 410 is not, until this is set again.
    #[serde(default)]
    enabled: Option<bool>,
}

/// A new webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeWebhook {
    id: i64,
    /// Signs what is told: it is shown here and never again.
    secret: String,
}

/// A webhook, without its secret.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Webhook {
    id: i64,
    url: String,
    events: Vec<String>,
    enabled: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Until then the secret before the newest one signs, too.
    #[serde(with = "time::serde::rfc3339::option")]
    previous_until: Option<OffsetDateTime>,
}

/// One event on its way to one webhook. Kept for a week after its end.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Told {
    id: i64,
    /// The header `webhook-id`.
    event: Uuid,
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    kind: String,
    /// `waiting`, `delivered` or `given_up`.
    state: String,
    attempts: i32,
    /// The receiver's last HTTP status.
    status: Option<i32>,
    /// What was wrong with the last attempt: `dns`, `refused_address`, `connect`, `tls`, `timeout`, `protocol`, `redirect`, `status`,
    /// `gone`, `disabled`, `url`, or `secret`, which is ours.
    problem: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Of the next attempt.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

const SELECT: &str = "SELECT id, url, events, disabled_at IS NULL AS enabled, created_at, previous_until FROM broadcast.webhooks";

/// Make a webhook
///
/// Its receiver is told by POST, signed after the Standard Webhooks specification. The secret is shown in this answer and never again.
#[utoipa::path(
    post, path = "/webhooks", operation_id = "create_webhook", tag = "Webhooks", security(("key" = ["webhooks:write"])),
    request_body(content = NewWebhook, example = json!({"url": "https://crm.acme.example/broadcast", "events": ["import.ended", "launch.ended"]})),
    responses((status = 201, description = "Made.", body = MadeWebhook, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["webhook_url", "webhooks_max"])))
)]
pub(crate) async fn create(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(new): Document<NewWebhook>,
) -> Result<Response, OperationError> {
    check_url(&services, &new.url)?;
    let events = check_events(&new.events)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM broadcast.webhooks").fetch_one(&mut *tx).await?;
    if count >= WEBHOOKS_MAX {
        return Err(Notice::new(Code::WebhooksMax).with("max", WEBHOOKS_MAX).into());
    }
    let secret = WebhookSecret::generate()?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.webhooks (tenant_id, url, events, secret_sealed, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(caller.tenant.0)
    .bind(&new.url)
    .bind(&events)
    .bind(secret.seal(&services.master, caller.tenant)?)
    .bind(caller.now)
    .fetch_one(&mut *tx)
    .await?;
    caller.note(&mut tx, id).await?;
    let made = MadeWebhook { id, secret: secret.text() };
    caller.end(&services, tx, Answer::created(format!("/v1/webhooks/{id}"), &made)?).await
}

/// What can be seen of an address before anybody goes there. Names are asked for, and addresses judged, at every attempt.
fn check_url(services: &Services, url: &str) -> Result<(), OperationError> {
    let refused =
        |problem: &str| OperationError::from(Notice::new(Code::WebhookUrl).with("problem", problem));
    if url.len() > URL_BYTES_MAX {
        return Err(refused("it is longer than 2,048 bytes"));
    }
    let parsed = Url::parse(url).map_err(|_| refused("it is no URL"))?;
    if parsed.scheme() != "https" || !url.starts_with("https://") {
        return Err(refused("it must begin with https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refused("a user or a password in it is not possible; the signature proves who sends"));
    }
    let address = match parsed.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(refused("it has no host")),
    };
    if may_be_told(address, &services.webhook_networks) {
        Ok(())
    } else {
        Err(refused("its address is not a public one"))
    }
}

/// Each once.
fn check_events(events: &[String]) -> Result<Vec<String>, OperationError> {
    if events.is_empty() || events.iter().any(|event| !EVENTS.contains(&event.as_str())) {
        return Err(invalid("events", format!("one or more of {} are possible", EVENTS.join(", "))));
    }
    Ok(events.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
}

/// List webhooks
///
/// All of them: `next` is always null.
#[utoipa::path(
    get, path = "/webhooks", operation_id = "list_webhooks", tag = "Webhooks", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<Webhook>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<Webhook>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY id");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Show a webhook
#[utoipa::path(
    get, path = "/webhooks/{id}", operation_id = "show_webhook", tag = "Webhooks", security(("key" = ["account:read"])),
    responses((status = 200, description = "The webhook.", body = Webhook))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Webhook>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    load(&mut tx, id).await.map(Json)
}

async fn load(tx: &mut TenantTx, id: i64) -> Result<Webhook, OperationError> {
    let webhook: Option<Webhook> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    webhook.ok_or_else(|| Code::NotFound.into())
}

/// Change a webhook
///
/// What waits for it goes to its new address.
#[utoipa::path(
    patch, path = "/webhooks/{id}", operation_id = "change_webhook", tag = "Webhooks", security(("key" = ["webhooks:write"])),
    request_body(content = WebhookChange, example = json!({"enabled": true})),
    responses((status = 200, description = "Changed.", body = Webhook)), extensions(("x-problems" = json!(["webhook_url"])))
)]
pub(crate) async fn change(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    Document(change): Document<WebhookChange>,
) -> Result<Json<Webhook>, OperationError> {
    if let Some(url) = &change.url {
        check_url(&services, url)?;
    }
    let events = change.events.as_deref().map(check_events).transpose()?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    sqlx::query(
        "UPDATE broadcast.webhooks SET url = coalesce($2, url), events = coalesce($3, events),
                disabled_at = CASE WHEN $4 THEN NULL WHEN NOT $4 THEN coalesce(disabled_at, $5) ELSE disabled_at END
         WHERE id = $1",
    )
    .bind(id)
    .bind(change.url)
    .bind(events)
    .bind(change.enabled)
    .bind(caller.now)
    .execute(&mut *tx)
    .await?;
    let webhook = load(&mut tx, id).await?;
    caller.note(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(webhook))
}

/// Delete a webhook
///
/// What waits for it is not told any more.
#[utoipa::path(
    delete, path = "/webhooks/{id}", operation_id = "delete_webhook", tag = "Webhooks", security(("key" = ["webhooks:write"])),
    responses((status = 204, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let deleted =
        sqlx::query("DELETE FROM broadcast.webhooks WHERE id = $1").bind(id).execute(&mut *tx).await?;
    if deleted.rows_affected() == 0 {
        return Err(Code::NotFound.into());
    }
    caller.note(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Answer::nothing())
}

/// Rotate a webhook's secret
///
/// For a while both secrets sign, each with a signature of its own, so that the receiver can change over.
#[utoipa::path(
    post, path = "/webhooks/{id}/rotation", operation_id = "rotate_webhook_secret", tag = "Webhooks", security(("key" = ["webhooks:write"])),
    request_body(content = Option<Rotation>, example = json!({"overlap_hours": 24})),
    responses((status = 201, description = "The new secret.", body = MadeWebhook, headers(("Location" = String))))
)]
pub(crate) async fn rotate(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    MaybeDocument(rotation): MaybeDocument<Rotation>,
) -> Result<Response, OperationError> {
    let until = rotation.until(caller.now)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let secret = WebhookSecret::generate()?;
    let rotated = sqlx::query(
        "UPDATE broadcast.webhooks SET previous_secret_sealed = secret_sealed, previous_until = $3, secret_sealed = $2 WHERE id = $1",
    )
    .bind(id)
    .bind(secret.seal(&services.master, caller.tenant)?)
    .bind(until)
    .execute(&mut *tx)
    .await?;
    if rotated.rows_affected() == 0 {
        return Err(Code::NotFound.into());
    }
    caller.note(&mut tx, id).await?;
    let made = MadeWebhook { id, secret: secret.text() };
    caller.end(&services, tx, Answer::created(format!("/v1/webhooks/{id}"), &made)?).await
}

/// Test a webhook
///
/// Tells it an event `webhook.test`; what became of that is in its deliveries.
#[utoipa::path(
    post, path = "/webhooks/{id}/test", operation_id = "test_webhook", tag = "Webhooks", security(("key" = ["webhooks:write"])),
    responses((status = 202, description = "It will be told. `Location` shows how that went.", body = Webhook, headers(("Location" = String))))
)]
pub(crate) async fn test(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, OperationError> {
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    let webhook = load(&mut tx, id).await?;
    let event = Event::Test(Test { webhook: WebhookId(id) });
    store::announce(&mut tx, caller.tenant, &event, caller.now).await?;
    caller.note(&mut tx, id).await?;
    let answer = Answer::accepted(format!("/v1/webhooks/{id}/deliveries"), &webhook)?;
    let response = caller.end(&services, tx, answer).await?;
    services
        .clients
        .nudge(&services.notify_queue, caller.tenant, &NotifyMessage::Tenant { tenant: caller.tenant })
        .await;
    Ok(response)
}

/// List a webhook's deliveries
///
/// What it was told, what waits, and how the attempts went; the newest first.
#[utoipa::path(
    get, path = "/webhooks/{id}/deliveries", operation_id = "list_deliveries", tag = "Webhooks", security(("key" = ["account:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<Told>))
)]
pub(crate) async fn deliveries(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    page: Page,
) -> Result<Json<Listing<Told>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    load(&mut tx, id).await?;
    let items: Vec<Told> = sqlx::query_as(
        "SELECT id, event, type, state, attempts, status, problem, created_at, due_at, ended_at FROM broadcast.webhook_deliveries
         WHERE webhook_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind(id)
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |told| told.id);
    Ok(Json(Listing { items, next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_ones_each_once() {
        let check = |events: &[&str]| {
            check_events(&events.iter().map(|event| (*event).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            check(&["launch.ended", "import.ended", "launch.ended"]).unwrap(),
            ["import.ended", "launch.ended"]
        );
        assert!(check(&[]).is_err() && check(&["webhook.test"]).is_err());
    }
}
