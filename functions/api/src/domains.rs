//! Sender domains: from which addresses the account may send, and what their owner has to publish.

use std::sync::Arc;

use axum::{Json, extract::State};
use fault::Code;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{Api, ApiError, answer::Listing, caller::Caller, request::Name};

/// A domain of `From` addresses.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct SenderDomain {
    domain: String,
    /// Whether the account may send from it.
    confirmed: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    confirmed_at: Option<OffsetDateTime>,
    /// What has to stand in its DNS zone. Null for a domain that was added before these were kept: have it added again.
    #[schema(value_type = Option<Vec<DnsRecord>>)]
    dns_records: Option<types::Json<Vec<DnsRecord>>>,
}

/// A record of a DNS zone.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
pub(crate) struct DnsRecord {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

const SELECT: &str = "SELECT domain, confirmed_at IS NOT NULL AS confirmed, confirmed_at, dns_records FROM broadcast.sender_domains";

/// List sender domains
///
/// All of them, by name: `next` is always null. Your operator adds and confirms them.
#[utoipa::path(
    get, path = "/sender-domains", operation_id = "list_sender_domains", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<SenderDomain>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<Json<Listing<SenderDomain>>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY domain");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Show a sender domain
///
/// With the DNS records that its owner has to publish, and whether mails may be sent from it.
#[utoipa::path(
    get, path = "/sender-domains/{domain}", operation_id = "show_sender_domain", tag = "Account", security(("key" = ["account:read"])),
    params(("domain" = String, Path, min_length = 1)),
    responses((status = 200, description = "The domain.", body = SenderDomain))
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Name(domain): Name,
) -> Result<Json<SenderDomain>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let domain: Option<SenderDomain> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE domain = $1")))
            .bind(domain.to_ascii_lowercase())
            .fetch_optional(&mut *tx)
            .await?;
    domain.map(Json).ok_or_else(|| Code::NotFound.into())
}
