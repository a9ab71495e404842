//! What became of a campaign: its accounting, and its responses in figures.

use std::{collections::BTreeMap, ops::Add, sync::Arc};

use axum::{Json, extract::State};
use contract::CampaignId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, Row};
use store::CampaignTx;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    caller::Caller,
    campaigns::{Campaign, enter},
    request::Id,
};

/// Domains of a report.
const DOMAINS_MAX: usize = 100;
/// Hours of a report: two weeks. What comes later is in the sums.
const HOURS_MAX: i64 = 336;

/// A campaign's sums. Every row and every address stands in exactly one place.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes store::Accounting, whose document is handed on")]
pub(crate) struct Accounting {
    /// Of all published imports.
    rows: i64,
    imported: i64,
    rejected: i64,
    /// Imported rows whose address stands in an earlier row, too.
    duplicates: i64,
    /// Imports by state; those that are refused count no rows.
    imports: BTreeMap<String, i64>,
    /// Addresses that no launch has taken up yet.
    unlaunched: i64,
    /// Addresses that were erased before a launch took them up.
    erased: i64,
    /// Addresses by what became of their mail.
    ledger: BTreeMap<String, i64>,
    /// Mails that the relay refused at once, by class: `hard` (the address is mailed no more), `soft`, `block`. Each is a bounce among the
    /// responses, too.
    refused: BTreeMap<String, i64>,
    responses: BTreeMap<String, i64>,
    /// Responses by kind and who caused them: `human`, `proxy`, `scanner`, `system`.
    actors: BTreeMap<String, BTreeMap<String, i64>>,
    delivered: i64,
    /// Whether `delivered` is what was sent and did not come back, for lack of reports.
    delivered_assumed: bool,
    /// Whether the sums agree.
    balanced: bool,
}

/// Show the accounting
///
/// What became of every row and every address. Of a campaign whose data is deleted, the sums that were kept.
#[utoipa::path(
    get, path = "/campaigns/{id}/accounting", operation_id = "show_accounting", tag = "Reports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The sums.", body = Accounting)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn accounting(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Value>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    let campaign = Campaign::load(&mut tx, id).await?;
    if let Some(totals) = campaign.totals {
        return Ok(Json(totals));
    }
    let mut tx = enter(tx, CampaignId(id)).await?;
    Ok(Json(json!(tx.accounting().await?)))
}

/// A campaign's responses in figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResponseReport {
    totals: Figures,
    rates: Rates,
    kinds: Vec<KindFigures>,
    links: Vec<LinkFigures>,
    /// By the hour in which they happened, the first ones first; at most two weeks of them.
    hours: Vec<HourFigures>,
    /// By the version of the template that was mailed.
    versions: Vec<VersionFigures>,
}

/// Mails, each counted once for each thing that happened to it, however often it did.
#[derive(FromRow, Serialize, Deserialize, ToSchema, Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    sent: i64,
    /// Where no mail of the campaign is reported as delivered, those that were sent and did not come back.
    delivered: i64,
    bounced: i64,
    complained: i64,
    /// By anybody.
    opened: i64,
    /// By a person, as far as we can tell.
    opened_by_people: i64,
    /// By anybody.
    clicked: i64,
    /// By a person, as far as we can tell.
    clicked_by_people: i64,
    unsubscribed: i64,
}

/// Shares from 0 to 1, rounded to four digits: of the mails sent what was delivered and what bounced, of those delivered what people did. `null`
/// where there is nothing to divide by.
#[derive(Serialize, ToSchema, Debug, PartialEq)]
pub(crate) struct Rates {
    delivered: Option<f64>,
    bounced: Option<f64>,
    complained: Option<f64>,
    opened_by_people: Option<f64>,
    clicked_by_people: Option<f64>,
    unsubscribed: Option<f64>,
}

impl Figures {
    fn rates(&self) -> Rates {
        let of_sent = |part| share(part, self.sent);
        let of_delivered = |part| share(part, self.delivered);
        Rates {
            delivered: of_sent(self.delivered),
            bounced: of_sent(self.bounced),
            complained: of_delivered(self.complained),
            opened_by_people: of_delivered(self.opened_by_people),
            clicked_by_people: of_delivered(self.clicked_by_people),
            unsubscribed: of_delivered(self.unsubscribed),
        }
    }
}

impl ResponseReport {
    /// Over all versions.
    pub(crate) fn totals(&self) -> Figures {
        self.totals
    }
}

impl Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            delivered: self.delivered + other.delivered,
            bounced: self.bounced + other.bounced,
            complained: self.complained + other.complained,
            opened: self.opened + other.opened,
            opened_by_people: self.opened_by_people + other.opened_by_people,
            clicked: self.clicked + other.clicked,
            clicked_by_people: self.clicked_by_people + other.clicked_by_people,
            unsubscribed: self.unsubscribed + other.unsubscribed,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share to four digits")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// Responses of one kind.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct KindFigures {
    /// `delivered`, `bounced`, `complained`, `opened`, `clicked` or `unsubscribed`.
    kind: String,
    /// Of a bounce `hard`, `soft` or `block`.
    class: Option<String>,
    /// `human`, `proxy`, `scanner` or `system`.
    actor: String,
    total: i64,
    /// Mails with one or more of them.
    mails: i64,
}

/// Clicks on one link.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct LinkFigures {
    template_version: i32,
    number: i32,
    /// As the template has it.
    url: String,
    total: i64,
    /// Clicks that no program made, as far as we can tell.
    human: i64,
    mails: i64,
}

/// Responses of one hour.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HourFigures {
    #[serde(with = "time::serde::rfc3339")]
    hour: OffsetDateTime,
    kind: String,
    total: i64,
}

/// Mails of one version of the template.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct VersionFigures {
    template_version: i32,
    #[serde(flatten)]
    #[sqlx(flatten)]
    figures: Figures,
}

/// Mails to one domain.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct DomainFigures {
    /// In lower case; an internationalised one as it was imported.
    domain: String,
    #[serde(flatten)]
    #[sqlx(flatten)]
    figures: Figures,
}

/// A campaign's mails by their recipients' domains.
#[derive(Serialize, ToSchema)]
pub(crate) struct DomainReport {
    /// How many domains were mailed.
    domains: i64,
    /// Those with the most mails, the largest first; at most a hundred.
    items: Vec<DomainFigures>,
}

/// Show the response report
///
/// Deliveries, bounces, complaints, opens, clicks and unsubscribes in figures: in sum and as rates, by kind and actor, by link, by hour and by
/// version. They are as new as the last response that was stored, a few seconds behind what happens. Single responses are in the exports.
#[utoipa::path(
    get, path = "/campaigns/{id}/responses", operation_id = "show_responses", tag = "Reports", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The figures.", body = ResponseReport)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn responses(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ResponseReport>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, id).await?;
    let mut tx = enter(tx, CampaignId(id)).await?;
    Ok(Json(count_responses(&mut tx).await?))
}

/// Counts a campaign's responses.
pub(crate) async fn count_responses(tx: &mut CampaignTx) -> Result<ResponseReport, OperationError> {
    let assumed = !is_delivery_reported(tx).await?;
    let versions = versions(tx, assumed).await?;
    let totals = versions.iter().fold(Figures::default(), |sum, version| sum + version.figures);
    Ok(ResponseReport {
        totals,
        rates: totals.rates(),
        kinds: kinds(tx).await?,
        links: links(tx).await?,
        hours: hours(tx).await?,
        versions,
    })
}

/// Mails that came back or were refused for one reason.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct BounceFigures {
    /// `hard`, `soft` or `block`.
    class: String,
    /// The enhanced status code (RFC 3463), such as `5.1.1`; null where the receiving side gave none.
    status: Option<String>,
    mails: i64,
}

/// Counts bounces by reason. Nothing of a diagnostic but its code: what servers write is about people.
pub(crate) async fn count_bounces(tx: &mut CampaignTx) -> Result<Vec<BounceFigures>, OperationError> {
    Ok(sqlx::query_as(
        r"SELECT class, substring(diagnostic FROM '\m[245]\.[0-9]{1,3}\.[0-9]{1,3}\M') AS status, count(DISTINCT mail_id) AS mails
         FROM responses WHERE kind = 'bounced' GROUP BY 1, 2 ORDER BY mails DESC, class, status LIMIT 50",
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn kinds(tx: &mut CampaignTx) -> Result<Vec<KindFigures>, OperationError> {
    Ok(sqlx::query_as(
        "SELECT kind, class, actor, count(*) AS total, count(DISTINCT mail_id) AS mails FROM responses
         GROUP BY kind, class, actor ORDER BY kind, class, actor",
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn links(tx: &mut CampaignTx) -> Result<Vec<LinkFigures>, OperationError> {
    Ok(sqlx::query_as(
        "SELECT t.version AS template_version, k.number, k.url, count(r.seq) AS total,
                count(r.seq) FILTER (WHERE r.actor = 'human') AS human, count(DISTINCT r.mail_id) AS mails
         FROM links k JOIN broadcast.templates t ON t.id = k.template_id
         LEFT JOIN (responses r JOIN ledger m ON m.id = r.mail_id JOIN broadcast.launches l ON l.id = m.launch_id)
              ON r.kind = 'clicked' AND r.link = k.number AND l.template_id = k.template_id
         GROUP BY t.version, k.number, k.url ORDER BY t.version, k.number",
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn hours(tx: &mut CampaignTx) -> Result<Vec<HourFigures>, OperationError> {
    Ok(sqlx::query_as(
        "SELECT date_trunc('hour', at, 'UTC') AS hour, kind, count(*) AS total FROM responses
         WHERE at < (SELECT min(at) FROM responses) + make_interval(hours => $1::integer)
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(HOURS_MAX)
    .fetch_all(&mut **tx)
    .await?)
}

/// Whether the relay reports deliveries.
async fn is_delivery_reported(tx: &mut CampaignTx) -> Result<bool, OperationError> {
    let reported = "SELECT EXISTS (SELECT FROM responses WHERE kind = 'delivered')";
    Ok(sqlx::query_scalar(reported).fetch_one(&mut **tx).await?)
}

/// What happened to each mail (`answered`), and counts of it over rows `m` of the ledger. `$1`: whether deliveries are assumed.
const ANSWERED: &str = "answered AS (
    SELECT mail_id, bool_or(kind = 'delivered') AS delivered, bool_or(kind = 'bounced') AS bounced,
           bool_or(kind = 'complained') AS complained, bool_or(kind = 'opened') AS opened,
           bool_or(kind = 'opened' AND actor = 'human') AS opened_by_people, bool_or(kind = 'clicked') AS clicked,
           bool_or(kind = 'clicked' AND actor = 'human') AS clicked_by_people, bool_or(kind = 'unsubscribed') AS unsubscribed
    FROM responses GROUP BY mail_id)";
const FIGURES: &str = "count(*) FILTER (WHERE m.state = 'sent') AS sent,
    count(*) FILTER (WHERE CASE WHEN $1 THEN m.state = 'sent' AND a.bounced IS NOT TRUE ELSE a.delivered END) AS delivered,
    count(*) FILTER (WHERE a.bounced) AS bounced, count(*) FILTER (WHERE a.complained) AS complained,
    count(*) FILTER (WHERE a.opened) AS opened, count(*) FILTER (WHERE a.opened_by_people) AS opened_by_people,
    count(*) FILTER (WHERE a.clicked) AS clicked, count(*) FILTER (WHERE a.clicked_by_people) AS clicked_by_people,
    count(*) FILTER (WHERE a.unsubscribed) AS unsubscribed";

async fn versions(tx: &mut CampaignTx, assumed: bool) -> Result<Vec<VersionFigures>, OperationError> {
    let statement = format!(
        "WITH {ANSWERED} SELECT t.version AS template_version, {FIGURES}
         FROM ledger m JOIN broadcast.launches l ON l.id = m.launch_id JOIN broadcast.templates t ON t.id = l.template_id
         LEFT JOIN answered a ON a.mail_id = m.id
         WHERE NOT m.proof GROUP BY t.version ORDER BY t.version"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(assumed).fetch_all(&mut **tx).await?)
}

/// Show the response report by domain
///
/// What became of the mails to each domain: where one provider bounces, blocks or never opens, it shows here.
#[utoipa::path(
    get, path = "/campaigns/{id}/responses/domains", operation_id = "show_responses_by_domain", tag = "Reports",
    security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The figures.", body = DomainReport)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn domains(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<DomainReport>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, id).await?;
    let mut tx = enter(tx, CampaignId(id)).await?;
    Ok(Json(count_domains(&mut tx).await?))
}

/// Counts a campaign's mails by domain.
pub(crate) async fn count_domains(tx: &mut CampaignTx) -> Result<DomainReport, OperationError> {
    let imports = store::recipients::published(tx).await?;
    if imports.is_empty() {
        return Ok(DomainReport { domains: 0, items: Vec::new() });
    }
    let assumed = !is_delivery_reported(tx).await?;
    // Names from typed ids: such statements are not cached by name.
    let people = imports
        .into_iter()
        .map(|import| format!("SELECT {import} AS import_id, line, address FROM {}", import.table()));
    let people = people.collect::<Vec<_>>().join(" UNION ALL ");
    let statement = format!(
        "WITH {ANSWERED}, people AS ({people}), figures AS (
             SELECT lower(split_part(p.address, '@', -1)) AS domain, {FIGURES}
             FROM ledger m JOIN people p ON p.import_id = m.import_id AND p.line = m.line
             LEFT JOIN answered a ON a.mail_id = m.id WHERE NOT m.proof GROUP BY 1)
         SELECT *, count(*) OVER () AS domains FROM figures ORDER BY sent DESC, domain LIMIT {DOMAINS_MAX}"
    );
    let rows =
        sqlx::query(AssertSqlSafe(statement)).persistent(false).bind(assumed).fetch_all(&mut **tx).await?;
    let domains = rows.first().map_or(0, |row| row.get("domains"));
    let items = rows.iter().map(DomainFigures::from_row).collect::<Result<_, _>>()?;
    Ok(DomainReport { domains, items })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shares_of_what_was_sent_or_delivered() {
        let figures =
            Figures { sent: 300, delivered: 290, bounced: 10, opened_by_people: 29, ..Figures::default() };
        let rates = figures.rates();
        assert_eq!((rates.delivered, rates.bounced), (Some(0.9667), Some(0.0333)));
        assert_eq!((rates.opened_by_people, rates.complained), (Some(0.1), Some(0.0)));
        assert_eq!(Figures::default().rates().delivered, None);
    }
}
