//! The seed list: addresses that get each of a campaign's mailings, and count nowhere.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use contract::CampaignId;
use fault::Phrase;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    caller::Caller,
    campaigns::{Campaign, enter},
    proofs,
    request::{Document, Id, invalid, objects},
    suppressions::digest_key,
};

/// The people and the test accounts of a customer; a list of recipients is an import.
const SEEDS_MAX: usize = 50;

/// Who gets each mailing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSeeds {
    /// In place of those that were there.
    #[serde(deserialize_with = "objects")]
    #[schema(max_items = 50)]
    seeds: Vec<NewSeed>,
}

/// An address that gets each mailing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSeed {
    #[schema(format = "email", max_length = 508)]
    address: String,
    /// What stands in place of a recipient's fields. One that is not given shows as its name in brackets.
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// The seed list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Seeds {
    seeds: Vec<Seed>,
}

/// An address that gets each mailing.
#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Seed {
    address: String,
    #[sqlx(json)]
    fields: BTreeMap<String, String>,
    /// Its mail of the newest launch; null before the first.
    #[sqlx(json(nullable))]
    mail: Option<SeedMail>,
}

/// What became of a seed's mail.
#[derive(Deserialize, Serialize, ToSchema)]
pub(crate) struct SeedMail {
    launch: i64,
    /// As in the accounting.
    state: String,
    /// The relay's last reply, or why the mail could not be made.
    reply: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
}

/// Replace the seed list
///
/// Each launch that mails anybody mails these first, whether they are suppressed or not. Their mails, and what comes back of them, count nowhere:
/// not in the accounting, in reports or in exports. Who unsubscribes by one is suppressed as a recipient all the same.
#[utoipa::path(
    put, path = "/campaigns/{id}/seeds", operation_id = "replace_seeds", tag = "Launches", security(("key" = ["launches:write"])),
    request_body(content = NewSeeds, example = json!({"seeds": [{"address": "check@acme.example", "fields": {"first_name": "Ann"}}]})),
    responses((status = 200, description = "The list as it is now.", body = Seeds)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn replace(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
    Document(NewSeeds { seeds }): Document<NewSeeds>,
) -> Result<Json<Seeds>, OperationError> {
    if seeds.len() > SEEDS_MAX {
        return Err(invalid("seeds", Phrase::AtMost.filled([("max", &SEEDS_MAX)])));
    }
    let addresses = seeds.iter().map(|seed| seed.address.as_str());
    let receivers =
        proofs::receivers(addresses, |at| format!("seeds[{at}].address"), &digest_key(&services, &caller))?;
    let fields = seeds.into_iter().enumerate().map(|(at, seed)| {
        let named = proofs::named(seed.fields, &format!("seeds[{at}].fields"))?;
        serde_json::to_value(named).map_err(|_| OperationError::Document)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load_open(&mut tx, campaign).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    let (addresses, keys): (Vec<_>, Vec<_>) =
        receivers.into_iter().map(|receiver| (receiver.address, receiver.key)).unzip();
    tx.lock_proofs().await?;
    // What a launch that is under way has not made yet would be for nobody.
    sqlx::query(
        "WITH gone AS (DELETE FROM proof_recipients WHERE seed AND address_key <> ALL ($1) RETURNING line)
         UPDATE ledger SET state = 'cancelled', changed_at = $2 WHERE proof AND line IN (SELECT line FROM gone) AND state = 'pending'",
    )
    .bind(&keys)
    .bind(caller.now)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO proof_recipients (address, address_key, fields, seed, created_at)
         SELECT address, address_key, fields, true, $4 FROM unnest($1::text[], $2::bytea[], $3::jsonb[]) AS s (address, address_key, fields)
         ON CONFLICT (address_key) WHERE seed DO UPDATE SET address = excluded.address, fields = excluded.fields",
    )
    .bind(addresses)
    .bind(keys)
    .bind(fields)
    .bind(caller.now)
    .execute(&mut *tx)
    .await?;
    caller.note(&mut tx, campaign).await?;
    let seeds = load(&mut tx).await?;
    tx.commit().await?;
    Ok(Json(seeds))
}

/// Show the seed list
///
/// With what became of the newest launch's mail to each.
#[utoipa::path(
    get, path = "/campaigns/{id}/seeds", operation_id = "show_seeds", tag = "Launches", security(("key" = ["recipients:read"])),
    responses((status = 200, description = "The list.", body = Seeds)), extensions(("x-problems" = json!(["campaign_ended"])))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(campaign): Id,
) -> Result<Json<Seeds>, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, campaign).await?;
    let mut tx = enter(tx, CampaignId(campaign)).await?;
    Ok(Json(load(&mut tx).await?))
}

async fn load(db: &mut PgConnection) -> Result<Seeds, OperationError> {
    let seeds = sqlx::query_as(
        "SELECT p.address, p.fields, mail.mail FROM proof_recipients p
         LEFT JOIN LATERAL (SELECT jsonb_build_object('launch', launch_id, 'state', state, 'reply', reply, 'changed_at', changed_at) AS mail
                            FROM ledger l WHERE l.proof AND l.line = p.line ORDER BY id DESC LIMIT 1) AS mail ON true
         WHERE p.seed ORDER BY p.line",
    )
    .fetch_all(db)
    .await?;
    Ok(Seeds { seeds })
}
