//! What is held of one person (GDPR, article 15).

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use contract::{CampaignId, ImportId};
use mail::AddressKey;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, Row};
use store::{CampaignTx, StoreError, fields};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    caller::Caller,
    request::Document,
    suppressions::{Person, digest},
};

/// Rows of one import for one address that are shown: more than any list repeats a person.
const ROWS_MAX: i64 = 100;

/// Everything that is held of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Held {
    /// Whether and why the address gets no mails, and since when. It is kept as a digest.
    suppressed: Option<HeldSuppression>,
    campaigns: Vec<HeldCampaign>,
}

/// That an address gets no mails.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HeldSuppression {
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// What one campaign holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldCampaign {
    campaign: i64,
    name: String,
    rows: Vec<HeldRow>,
    mail: Option<HeldMail>,
    /// As whom the person got proofs of mailings.
    proofs: Vec<HeldProof>,
}

/// A place on the seed list, or a test mail.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HeldProof {
    /// On the seed list; otherwise of a test mail.
    seed: bool,
    address: String,
    /// By the names that templates have for columns.
    #[sqlx(json)]
    fields: BTreeMap<String, String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A row of an imported file.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldRow {
    import: i64,
    /// Of the file.
    line: i64,
    address: String,
    recipient_key: Option<String>,
    /// By the names of the file's columns.
    fields: BTreeMap<String, String>,
}

/// The mail to the person, and what came back.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HeldMail {
    #[serde(skip)]
    id: i64,
    state: String,
    /// The relay's last reply.
    reply: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
    #[sqlx(skip)]
    responses: Vec<HeldResponse>,
}

/// Something that came back.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct HeldResponse {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    kind: String,
    class: Option<String>,
    actor: String,
    /// Of a click.
    link: Option<i32>,
    diagnostic: Option<String>,
}

/// Show what is held of a person
///
/// Their rows in all campaigns that are not deleted, their mails, what came back, and whether they are suppressed: what a request for access
/// (GDPR, article 15) asks for. Files in the File Exchange may hold the person as well, until their retention is over.
#[utoipa::path(
    post, path = "/recipients/access", operation_id = "access_recipient", tag = "Recipients", security(("key" = ["recipients:read"])),
    request_body(content = Person, example = json!({"address": "ann@example.org"})),
    responses((status = 200, description = "All of it.", body = Held))
)]
pub(crate) async fn access(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Document(person): Document<Person>,
) -> Result<Json<Held>, OperationError> {
    let key = digest(&services, &caller, &person.address)?;
    let mut tx = caller.begin_reading(&services).await?;
    let suppressed =
        sqlx::query_as("SELECT reason, created_at FROM broadcast.suppressions WHERE address_key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
    let campaigns: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, name FROM broadcast.campaigns WHERE state <> 'deleted' ORDER BY id")
            .fetch_all(&mut *tx)
            .await?;
    drop(tx);
    let mut held = Held { suppressed, campaigns: Vec::new() };
    for (id, name) in campaigns {
        match services.store.campaign(caller.tenant, CampaignId(id)).await {
            Ok(mut tx) => held.campaigns.extend(in_campaign(&mut tx, key, name).await?),
            // Deleted meanwhile.
            Err(StoreError::NoCampaign) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(held))
}

async fn in_campaign(
    tx: &mut CampaignTx,
    key: AddressKey,
    name: String,
) -> Result<Option<HeldCampaign>, OperationError> {
    let campaign = tx.campaign().0;
    let imports: Vec<(i64, Option<Vec<String>>)> = sqlx::query_as(
        "SELECT id, header FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished') ORDER BY id",
    )
    .bind(campaign)
    .fetch_all(&mut **tx)
    .await?;
    let mut rows = Vec::new();
    for (import, header) in imports {
        rows.extend(in_import(tx, key, ImportId(import), &header.unwrap_or_default()).await?);
    }
    let mail: Option<HeldMail> = sqlx::query_as(
        "SELECT id, state, reply, changed_at FROM ledger WHERE address_key = $1 AND NOT proof",
    )
    .bind(key.0.as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    let mail = match mail {
        Some(mail) => Some(HeldMail { responses: responses(tx, mail.id).await?, ..mail }),
        None => None,
    };
    let proofs: Vec<HeldProof> = sqlx::query_as(
        "SELECT seed, address, fields, created_at FROM proof_recipients WHERE address_key = $1 ORDER BY line",
    )
    .bind(key.0.as_slice())
    .fetch_all(&mut **tx)
    .await?;
    let some = !rows.is_empty() || mail.is_some() || !proofs.is_empty();
    Ok(some.then_some(HeldCampaign { campaign, name, rows, mail, proofs }))
}

async fn in_import(
    tx: &mut CampaignTx,
    key: AddressKey,
    import: ImportId,
    header: &[String],
) -> Result<Vec<HeldRow>, OperationError> {
    let statement = format!(
        "SELECT line, address, recipient_key, fields FROM {} WHERE address_key = $1 ORDER BY line LIMIT {ROWS_MAX}",
        import.table()
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .persistent(false)
        .bind(key.0.as_slice())
        .fetch_all(&mut **tx)
        .await?;
    let row = |row: sqlx::postgres::PgRow| -> Result<HeldRow, OperationError> {
        let address: String = row.get("address");
        let values = fields::decode(row.get("fields"), &address)?;
        Ok(HeldRow {
            import: import.0,
            line: row.get("line"),
            recipient_key: row.get("recipient_key"),
            fields: header.iter().cloned().zip(values).collect(),
            address,
        })
    };
    rows.into_iter().map(row).collect()
}

async fn responses(tx: &mut CampaignTx, mail: i64) -> Result<Vec<HeldResponse>, OperationError> {
    Ok(sqlx::query_as(
        "SELECT at, kind, class, actor, link, diagnostic FROM responses WHERE mail_id = $1 ORDER BY seq",
    )
    .bind(mail)
    .fetch_all(&mut **tx)
    .await?)
}
