//! Test mails: a template as it is now, to a few addresses at once, with a recipient's fields or with made-up ones.

use std::{collections::BTreeMap, sync::Arc};

use access::Scope;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::{CampaignId, LaunchId};
use fault::{Code, Notice, Phrase};
use mail::{Compiled, RenderError};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use store::CampaignTx;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::{Answer, Listing},
    caller::{Begun, Caller},
    campaigns::{Campaign, enter},
    launches::nudge,
    preview::{self, Import, find_import, find_recipient},
    proofs::{self, Receiver},
    request::{Document, Id, Page, invalid},
    suppressions::digest_key,
    templates::{check_confirmed, compile, load, sender_domain},
};

/// Of one call: those who look at a template together.
const ADDRESSES_MAX: usize = 10;
/// Of a campaign in an hour. Whoever works on a template stays below; as a way around launches, with their accounting and their suppressions, it
/// is of no use.
const HOURLY_MAX: i64 = 100;

/// To whom, and with whose fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTestMails {
    /// Each gets a mail of its own.
    #[schema(min_items = 1, max_items = 10)]
    addresses: Vec<String>,
    /// By the template's names. One that is not given shows as its name in brackets.
    #[serde(default)]
    fields: Option<BTreeMap<String, String>>,
    /// In place of `fields` an import of the campaign, the newest when absent: the key then needs the scope `recipients:read`.
    #[serde(default)]
    import: Option<i64>,
    /// The line of the file on which the recipient's row begins, the first one when absent. Without `import` and `line` the fields are `fields`.
    #[serde(default)]
    line: Option<i64>,
}

/// Test mails on their way.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestMailsBegun {
    /// Their ids, in the order of the addresses.
    mails: Vec<i64>,
}

/// A test mail.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct TestMail {
    id: i64,
    /// Of the template that it was made of.
    template_version: i32,
    /// As in the accounting: `sent` is with the relay.
    state: String,
    /// The relay's last reply, or why the mail could not be made.
    reply: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
}

/// Whose fields.
enum Source {
    Given(BTreeMap<String, String>),
    Row { import: Option<i64>, line: Option<i64> },
}

impl Source {
    fn of(call: &mut NewTestMails, caller: &Caller) -> Result<Self, OperationError> {
        let fields = call.fields.take();
        if call.import.is_none() && call.line.is_none() {
            return Ok(Self::Given(proofs::named(fields.unwrap_or_default(), "fields")?));
        }
        if fields.is_some() {
            return Err(invalid("fields", "they stand there beside a recipient's row; name one of the two"));
        }
        if !caller.may(Scope::RecipientsRead) {
            return Err(Notice::new(Code::ScopeMissing).with("scope", Scope::RecipientsRead).into());
        }
        Ok(Self::Row { import: call.import, line: call.line })
    }
}

/// Send test mails
///
/// The campaign's newest template, at once, before any import or launch if need be. It is made once before the answer, so that mistakes are told
/// as in the preview. Links and the unsubscribe link work. The mails, and what comes back of them, count nowhere: not in the accounting, in reports
/// or in exports. Suppressed addresses get them, too; who unsubscribes by one is suppressed as a recipient. 100 of a campaign in an hour.
#[utoipa::path(
    post, path = "/campaigns/{id}/test-mails", operation_id = "send_test_mails", tag = "Launches", security(("key" = ["launches:write"])),
    request_body(content = NewTestMails, example = json!({"addresses": ["you@acme.example"], "fields": {"first_name": "Ann"}})),
    responses((status = 202, description = "They are on their way. `Location` lists them.", body = TestMailsBegun, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["campaign_ended", "template_missing", "sender_domain", "launch_nothing", "row_missing", "template_syntax",
                                      "template_field", "template_field_blank", "template_unsubscribe", "template_link", "template_file",
                                      "template_render", "test_mails_max"])))
)]
pub(crate) async fn send(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    Document(mut call): Document<NewTestMails>,
) -> Result<Response, OperationError> {
    if !(1..=ADDRESSES_MAX).contains(&call.addresses.len()) {
        return Err(invalid("addresses", Phrase::Between.filled([("min", &1), ("max", &ADDRESSES_MAX)])));
    }
    let addresses = call.addresses.iter().map(String::as_str);
    let receivers =
        proofs::receivers(addresses, |at| format!("addresses[{at}]"), &digest_key(&services, &caller))?;
    let source = Source::of(&mut call, &caller)?;
    let mut tx = match caller.begin(&services).await? {
        Begun::New(tx) => tx,
        Begun::Done(answer) => return Ok(answer),
    };
    Campaign::load_open(&mut tx, campaign).await?;
    let (version, draft) = load(&mut tx, campaign).await?;
    check_confirmed(&mut tx, &sender_domain(&draft)?).await?;
    let compiled = compile(&Arc::new(draft)).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    let filled = fill(&mut tx, source, &compiled).await?;
    preview::trial(&caller, CampaignId(campaign), compiled, filled.fields.clone())
        .await?
        .map_err(|error| filled.notice(error))?;

    let (launch, mails) = begin(&mut tx, version, receivers, filled.fields, caller.now).await?;
    caller.note(&mut tx, launch).await?;
    let answer = Answer::accepted(format!("/v1/campaigns/{campaign}/test-mails"), &TestMailsBegun { mails })?;
    caller.keep(&services, &mut tx, &answer).await?;
    tx.commit().await?;
    nudge(&services, &caller, CampaignId(campaign), launch).await?;
    Ok(answer.into_response())
}

/// What a template's fields are filled with.
struct Filled {
    fields: BTreeMap<String, String>,
    /// Whose they are: a row of an import, by its line.
    row: Option<(Import, i64)>,
}

impl Filled {
    fn notice(&self, error: RenderError) -> Notice {
        match &self.row {
            Some((import, line)) => import.notice(error, *line),
            None => Notice::new(Code::TemplateRender).with("problem", error),
        }
    }
}

/// A value for each field that the template looks at; those that were not given show their name.
async fn fill(tx: &mut CampaignTx, source: Source, compiled: &Compiled) -> Result<Filled, OperationError> {
    match source {
        Source::Given(given) => {
            let value = |name: &String| given.get(name).cloned().unwrap_or_else(|| format!("[{name}]"));
            let fields = compiled.fields().iter().map(|name| (name.clone(), value(name))).collect();
            Ok(Filled { fields, row: None })
        }
        Source::Row { import, line } => {
            let import = find_import(tx, import).await?;
            let recipient = find_recipient(tx, &import, line).await?;
            compiled.check_columns(recipient.fields.iter().map(|(name, _)| name.as_str()))?;
            // No more of the person than the mail shows.
            let shown = recipient.fields.into_iter().filter(|(name, _)| compiled.fields().contains(name));
            Ok(Filled { fields: shown.collect(), row: Some((import, recipient.line)) })
        }
    }
}

/// Makes a launch of these mails alone, which generate takes as one that runs.
async fn begin(
    tx: &mut CampaignTx,
    version: i32,
    receivers: Vec<Receiver>,
    fields: BTreeMap<String, String>,
    now: OffsetDateTime,
) -> Result<(LaunchId, Vec<i64>), OperationError> {
    tx.lock_proofs().await?;
    check_hourly(tx, receivers.len(), now).await?;
    let launch: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.launches (tenant_id, campaign_id, template_id, state, slices, test)
         SELECT tenant_id, campaign_id, id, 'running', 1, true FROM broadcast.templates WHERE campaign_id = $1 AND version = $2
         RETURNING id",
    )
    .bind(tx.campaign().0)
    .bind(version)
    .fetch_one(&mut **tx)
    .await?;
    let (addresses, keys): (Vec<_>, Vec<_>) =
        receivers.into_iter().map(|receiver| (receiver.address, receiver.key)).unzip();
    let mails = sqlx::query_scalar(
        "WITH receivers AS (
             INSERT INTO proof_recipients (address, address_key, fields, seed, created_at)
             SELECT address, address_key, $3, false, $4 FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS r (address, address_key, at)
             ORDER BY at RETURNING line, address_key
         ), slice AS (
             INSERT INTO slices (launch_id, slice, state, due_at) VALUES ($5, 0, 'waiting', $4)
         )
         INSERT INTO ledger (launch_id, slice, import_id, line, address_key, proof, state, changed_at)
         SELECT $5, 0, 0, line, address_key, true, 'pending', $4 FROM receivers ORDER BY line RETURNING id",
    )
    .bind(addresses)
    .bind(keys)
    .bind(sqlx::types::Json(fields))
    .bind(now)
    .bind(launch)
    .fetch_all(&mut **tx)
    .await?;
    Ok((LaunchId(launch), mails))
}

async fn check_hourly(db: &mut PgConnection, more: usize, now: OffsetDateTime) -> Result<(), OperationError> {
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM proof_recipients WHERE NOT seed AND created_at > $1")
            .bind(now - Duration::HOUR)
            .fetch_one(db)
            .await?;
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    if found + more <= HOURLY_MAX {
        return Ok(());
    }
    Err(Notice::new(Code::TestMailsMax).with("max", HOURLY_MAX).with("found", found).into())
}

/// List test mails
///
/// The newest first, and what became of them.
#[utoipa::path(
    get, path = "/campaigns/{id}/test-mails", operation_id = "list_test_mails", tag = "Launches", security(("key" = ["campaigns:read"])),
    params(Page), responses((status = 200, description = "Some of them.", body = Listing<TestMail>)),
    extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    page: Page,
) -> Result<Json<Listing<TestMail>>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, campaign).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    let items: Vec<TestMail> = sqlx::query_as(
        "SELECT m.id, t.version AS template_version, m.state, m.reply, l.created_at, m.changed_at
         FROM ledger m JOIN broadcast.launches l ON l.id = m.launch_id JOIN broadcast.templates t ON t.id = l.template_id
         WHERE m.proof AND l.test AND ($1 IS NULL OR m.id < $1) ORDER BY m.id DESC LIMIT $2",
    )
    .bind(page.after)
    .bind(page.limit())
    .fetch_all(&mut *tx)
    .await?;
    let next = page.next(&items, |mail| mail.id);
    Ok(Json(Listing { items, next }))
}
