//! Sender domains: from which addresses the account may send, what their owner has to publish, and whether it is published.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use fault::Code;
use futures_util::future::join_all;
use runtime::dns::{NameServers, RData, RecordType, Reply};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types};
use time::OffsetDateTime;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{OperationError, Services, answer::Listing, caller::Caller, request::Name};

/// For all records of one domain, which are asked for at the same time. Time for a packet that is lost and sent again, and a small part of
/// what the function has.
const DNS_SECONDS_MAX: Duration = Duration::from_secs(3);

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
    /// Whether it stands there. Only where one domain is shown: lists do not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RecordState, required = false)]
    state: Option<RecordState>,
}

/// What name servers say of a record now: `published`, the name has a record with this value; `different`, it has records of this type, and
/// none with this value; `missing`, it has none; `unknown`, they did not answer in time. Answers may be as old as the zone's owner lets
/// name servers keep them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordState {
    Published,
    Different,
    Missing,
    Unknown,
}

const SELECT: &str = "SELECT domain, confirmed_at IS NOT NULL AS confirmed, confirmed_at, dns_records FROM broadcast.sender_domains";

/// List sender domains
///
/// All of them, by name: `next` is always null. Your operator adds and confirms them. Show one to see whether its DNS records are published.
#[utoipa::path(
    get, path = "/sender-domains", operation_id = "list_sender_domains", tag = "Account", security(("key" = ["account:read"])),
    responses((status = 200, description = "All of them.", body = Listing<SenderDomain>))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
) -> Result<Json<Listing<SenderDomain>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let statement = format!("{SELECT} ORDER BY domain");
    let items = sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *tx).await?;
    Ok(Json(Listing { items, next: None }))
}

/// Show a sender domain
///
/// With the DNS records that its owner has to publish, and whether mails may be sent from it. Name servers are asked for each record while
/// you wait, for three seconds at most; its `state` is what they say. Whether you may send depends on `confirmed` alone.
#[utoipa::path(
    get, path = "/sender-domains/{domain}", operation_id = "show_sender_domain", tag = "Account", security(("key" = ["account:read"])),
    params(("domain" = String, Path, min_length = 1)),
    responses((status = 200, description = "The domain.", body = SenderDomain))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(domain): Name,
) -> Result<Json<SenderDomain>, OperationError> {
    let mut domain = find(&services, &caller, &domain).await?;
    // Names are asked for that stand in the row, never what a request says.
    let records = domain.dns_records.iter_mut().flat_map(|records| records.iter_mut());
    join_all(records.map(|record| look(&services.name_servers, record))).await;
    Ok(Json(domain))
}

/// Its transaction is over before anybody waits for name servers.
async fn find(services: &Services, caller: &Caller, domain: &str) -> Result<SenderDomain, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let domain: Option<SenderDomain> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} WHERE domain = $1")))
            .bind(domain.to_ascii_lowercase())
            .fetch_optional(&mut *tx)
            .await?;
    domain.ok_or_else(|| Code::NotFound.into())
}

/// Asks for a record, and notes its state.
async fn look(servers: &NameServers, record: &mut DnsRecord) {
    // The strings of one record are one text (RFC 6376, 3.6.2.2).
    let text = |data: &RData| match data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    };
    let answer = timeout(DNS_SECONDS_MAX, servers.ask(&record.name, RecordType::TXT, text)).await;
    record.state = Some(state(&record.value, &answer.map_or(Reply::Failed, |answer| answer.reply)));
}

fn state(value: &str, reply: &Reply<Vec<u8>>) -> RecordState {
    match reply {
        Reply::Records(texts) if texts.iter().any(|text| text == value.as_bytes()) => RecordState::Published,
        Reply::Records(_) => RecordState::Different,
        Reply::NoRecords | Reply::NoDomain => RecordState::Missing,
        Reply::Failed => RecordState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_published_as_it_stands_or_not_at_all() {
        let texts =
            |texts: &[&str]| Reply::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect());
        let table = [
            (texts(&["v=DKIM1; p=A"]), RecordState::Published),
            (texts(&["v=spf1 -all", "v=DKIM1; p=A"]), RecordState::Published),
            (texts(&["v=DKIM1; p=B"]), RecordState::Different),
            (texts(&["v=DKIM1; p="]), RecordState::Different),
            (texts(&["v=DKIM1; p=AA"]), RecordState::Different),
            (texts(&["v=dkim1; p=a"]), RecordState::Different),
            (texts(&["", "v=spf1 -all"]), RecordState::Different),
            (Reply::Records(vec![vec![0xff]]), RecordState::Different),
            (Reply::NoRecords, RecordState::Missing),
            (Reply::NoDomain, RecordState::Missing),
            (Reply::Failed, RecordState::Unknown),
        ];
        for (reply, expected) in table {
            assert_eq!(state("v=DKIM1; p=A", &reply), expected, "{reply:?}");
        }
    }

    #[test]
    fn a_state_is_shown_where_it_was_asked_for() {
        let stored = json!({"name": "b._domainkey.acme.example", "type": "TXT", "value": "v=DKIM1; p=A"});
        let mut record: DnsRecord = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), stored);
        record.state = Some(RecordState::Missing);
        assert_eq!(serde_json::to_value(&record).unwrap()["state"], "missing");
        let described = serde_json::to_value(crate::description()).unwrap();
        let described = &described["components"]["schemas"];
        assert_eq!(described["RecordState"]["enum"], json!(["published", "different", "missing", "unknown"]));
        let record = &described["DnsRecord"];
        assert!(record["properties"]["state"].is_object(), "{record}");
        assert_eq!(record["required"], json!(["name", "type", "value"]));
    }
}
