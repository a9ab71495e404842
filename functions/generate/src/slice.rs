//! One slice: its pending rows become messages in one spool object.

use std::collections::BTreeMap;

use access::Purpose;
use contract::{ImportId, MailId, SendMessage, spool_key};
use exchange::{TenantFiles, Written};
use mail::{Address, AddressKey, Compiled, Links, Sender, TemplateFile, open_spool};
use sqlx::{AssertSqlSafe, FromRow};
use store::{
    CampaignTx, fields,
    slices::{self, Next},
};
use time::OffsetDateTime;

use crate::{
    Error, Generate, NUDGE, Place, SPOOLED_NUDGE,
    batch::{Batch, BatchError, Made, Recipient, columns},
    files,
    launch::{Launch, SELECT_LAUNCH, domain_secret},
    proofs,
    rows::next_slice,
};

/// The number of the keys that are used for new mails; older ones are derived again by the number in a token or an object.
const KEY_ID: u8 = 1;

/// A slice as it stands in the database.
struct Loaded {
    template: Compiled,
    files: Vec<TemplateFile>,
    sender: Sender,
    /// Who the page of unsubscribing says it is, and in which language the mail is.
    tenant_name: String,
    locale: String,
    dkim_secret: String,
    bucket: String,
    template_columns: Vec<Vec<Option<String>>>,
    recipients: Vec<Recipient>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    address: String,
    address_key: [u8; 16],
    fields: Vec<u8>,
}

/// Makes what is pending of a slice, and has send take what stands in the spool.
pub(crate) async fn generate(
    generate: &Generate,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let loaded = load(&mut tx, place, slice, now).await?;
    tx.commit().await?;
    let (spooled, failed) = match loaded {
        Some(loaded) => {
            let files = generate.exchange.tenant(place.tenant, &loaded.bucket).await?;
            spool(generate, &files, place, slice, loaded, now).await?
        }
        None => (Vec::new(), Vec::new()),
    };
    let recorded = record(generate, place, slice, &spooled, &failed, now).await?;
    generate.emit(place, &recorded.generating).await?;
    if recorded.spooled {
        let Place { tenant, campaign, launch } = place;
        let message = SendMessage::Slice { tenant, campaign, launch, slice };
        generate.clients.send_json(&generate.send_queue, tenant, &message).await?;
    }
    Ok(())
}

/// Reads the slice; `None` when nothing of it is pending, or the launch does not run.
async fn load(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
) -> Result<Option<Loaded>, Error> {
    let launch: Option<Launch> = sqlx::query_as(SELECT_LAUNCH)
        .bind(place.launch.0)
        .bind(place.campaign.0)
        .fetch_optional(&mut **tx)
        .await?;
    let launch = launch.ok_or(Error::NoLaunch)?;
    if launch.state == store::UNCOMPARED {
        return Err(store::StoreError::NotCurrent.into());
    }
    if launch.state != "running" {
        return Ok(None);
    }
    suppress(tx, place, slice, now).await?;
    let imports: Vec<(i64, Option<Vec<String>>)> = sqlx::query_as(
        "SELECT id, header FROM broadcast.imports WHERE id IN
         (SELECT import_id FROM ledger WHERE launch_id = $1 AND slice = $2 AND state = 'pending') ORDER BY id",
    )
    .bind(place.launch.0)
    .bind(slice)
    .fetch_all(&mut **tx)
    .await?;
    let files = files::of(tx, launch.template_id).await?;
    let template = launch.compile(&files).map_err(|_| Error::Template)?;
    let mut recipients = Vec::new();
    for (number, (import, _)) in imports.iter().enumerate() {
        recipients.extend(rows(tx, place, slice, ImportId(*import), number).await?);
    }
    // Of proofs a column is what the template calls a field.
    let names: Vec<String> = template.fields().iter().cloned().collect();
    recipients.extend(proofs::recipients(tx, place, slice, &names, imports.len()).await?);
    if recipients.is_empty() {
        return Ok(None);
    }
    let headers = imports.iter().map(|(_, header)| columns(header.as_deref().unwrap_or_default()));
    let from = Address::parse(&launch.from_address).map_err(|_| Error::Template)?;
    let dkim_secret = domain_secret(tx, from.domain()).await?.ok_or(Error::Template)?;
    Ok(Some(Loaded {
        template_columns: headers.chain([names.into_iter().map(Some).collect()]).collect(),
        template,
        files,
        sender: Sender { name: launch.from_name, address: from.into_owned(), reply_to: None },
        tenant_name: launch.tenant_name,
        locale: launch.locale,
        dkim_secret,
        bucket: store::bucket_of(tx, place.tenant).await?,
        recipients,
    }))
}

/// Who unsubscribed or bounced since the launch began gets no mail any more. A proof does: whoever asked for it sees what others get.
async fn suppress(tx: &mut CampaignTx, place: Place, slice: i32, now: OffsetDateTime) -> Result<(), Error> {
    sqlx::query(
        "UPDATE ledger l SET state = 'suppressed', changed_at = $3 FROM broadcast.suppressions s
         WHERE l.launch_id = $1 AND l.slice = $2 AND l.state = 'pending' AND NOT l.proof AND s.tenant_id = $4 AND s.address_key = l.address_key",
    )
    .bind(place.launch.0)
    .bind(slice)
    .bind(now)
    .bind(place.tenant.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn rows(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    import: ImportId,
    number: usize,
) -> Result<Vec<Recipient>, Error> {
    let statement = format!(
        "SELECT l.id, r.address, l.address_key, r.fields FROM ledger l JOIN {} r ON r.line = l.line
         WHERE l.launch_id = $1 AND l.slice = $2 AND l.import_id = $3 AND l.state = 'pending' ORDER BY l.id",
        import.table()
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(statement))
        .persistent(false)
        .bind(place.launch.0)
        .bind(slice)
        .bind(import.0)
        .fetch_all(&mut **tx)
        .await?;
    let recipient = |row: Row| {
        let fields = fields::decode(&row.fields, &row.address)?;
        Ok(Recipient {
            mail: MailId(row.id),
            address: row.address,
            address_key: AddressKey(row.address_key),
            fields,
            import: number,
        })
    };
    rows.into_iter().map(recipient).collect()
}

/// Makes the messages and puts them into the spool; returns the mails in the object that stands there, and those that cannot be made.
async fn spool(
    generate: &Generate,
    files: &TenantFiles,
    place: Place,
    slice: i32,
    loaded: Loaded,
    now: OffsetDateTime,
) -> Result<(Vec<MailId>, Vec<(MailId, String)>), Error> {
    let signer = generate.keys.signer(&generate.clients, &loaded.dkim_secret).await?;
    let links = |purpose| {
        let key = generate.master.derive(place.tenant, purpose, KEY_ID);
        Links::new(&generate.public_url, &generate.bounce_domain, place.tenant, place.campaign, KEY_ID, &key)
    };
    let batch = Batch {
        tenant: place.tenant,
        campaign: place.campaign,
        template: loaded.template,
        files: loaded.files.iter().map(TemplateFile::encode).collect(),
        sender: loaded.sender,
        links: links(Purpose::Links)?.with_imprint(&loaded.tenant_name, &loaded.locale),
        return_paths: links(Purpose::Reports)?,
        columns: loaded.template_columns,
        recipients: loaded.recipients,
        now,
        relay: generate.relay.clone(),
    };
    let name = spool_key(place.tenant, place.campaign, place.launch, slice);
    let key = generate.master.derive(place.tenant, Purpose::Spool, KEY_ID);
    let (object, spooled, failed) = {
        let name = name.clone();
        let make = move || -> Result<_, Error> {
            let Made { writer, spooled, failed } = batch.make(&signer).map_err(|error| match error {
                BatchError::Spool(error) => Error::Spool(error),
                BatchError::Dkim(error) => Error::Dkim(error),
            })?;
            Ok((writer.seal(&key, KEY_ID, &name)?, spooled, failed))
        };
        tokio::task::spawn_blocking(make).await.map_err(|_| Error::Rendering)??
    };
    if spooled.is_empty() {
        return Ok((spooled, failed));
    }
    match files.put_spool_if_absent(place.campaign, place.launch, slice, object).await? {
        Written::Created => Ok((spooled, failed)),
        Written::Existed => {
            let object = files.get_spool(place.campaign, place.launch, slice).await?;
            let key = |id| generate.master.derive(place.tenant, Purpose::Spool, id);
            let there = open_spool(object.to_vec(), &name, key)?;
            Ok((there.into_iter().map(|message| message.mail).collect(), failed))
        }
    }
}

/// What goes on after a slice.
#[derive(Default)]
struct Recorded {
    /// Whether send has something to do.
    spooled: bool,
    /// The slice with what did not fit, and those whose turn it is now.
    generating: Vec<i32>,
}

/// Marks what is in the object as spooled and what cannot be made as failed, moves the rest to a new slice, and says how the slice goes on.
/// Ends the launch when nothing of it is open.
async fn record(
    generate: &Generate,
    place: Place,
    slice: i32,
    spooled: &[MailId],
    failed: &[(MailId, String)],
    now: OffsetDateTime,
) -> Result<Recorded, Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let Some(locked) = slices::lock(&mut tx, place.launch, slice).await? else { return Err(Error::NoLaunch) };
    let mut recorded = Recorded::default();
    if !(spooled.is_empty() && failed.is_empty()) {
        mark(&mut tx, place, slice, spooled, failed, now).await?;
        recorded.generating.extend(move_rest(&mut tx, place, slice, now).await?);
    }
    let rest = slices::rest(&mut tx, place.launch, slice).await?;
    recorded.spooled = rest.spooled > 0;
    if rest.spooled + rest.sending > 0 {
        // Another attempt may be handing it over already, and has said when to look again.
        let due_at = locked.sending_until.unwrap_or(now).max(now + SPOOLED_NUDGE);
        slices::set(&mut tx, place.launch, slice, Next::Sending(due_at)).await?;
    } else if rest.pending == 0 {
        slices::set(&mut tx, place.launch, slice, Next::Done).await?;
        recorded.generating.extend(generate.take(&mut tx, place, now).await?);
        if recorded.generating.is_empty() {
            store::finish_launch(&mut tx, place.launch, now).await?;
        }
    }
    tx.commit().await?;
    Ok(recorded)
}

async fn mark(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    spooled: &[MailId],
    failed: &[(MailId, String)],
    now: OffsetDateTime,
) -> Result<(), Error> {
    let ids: Vec<i64> = spooled.iter().map(|mail| mail.0).collect();
    sqlx::query(
        "UPDATE ledger SET state = 'spooled', changed_at = $3
         WHERE id = ANY ($1) AND launch_id = $2 AND slice = $4 AND state = 'pending'",
    )
    .bind(&ids)
    .bind(place.launch.0)
    .bind(now)
    .bind(slice)
    .execute(&mut **tx)
    .await?;
    // What another attempt could make after all stands in the object and is spooled by now.
    let failed: BTreeMap<i64, &str> = failed.iter().map(|(mail, reason)| (mail.0, reason.as_str())).collect();
    sqlx::query(
        "UPDATE ledger l SET state = 'failed', reply = f.reply, changed_at = $4
         FROM unnest($1::bigint[], $2::text[]) AS f (id, reply)
         WHERE l.id = f.id AND l.launch_id = $3 AND l.slice = $5 AND l.state = 'pending'",
    )
    .bind(failed.keys().copied().collect::<Vec<_>>())
    .bind(failed.values().map(|reason| (*reason).to_owned()).collect::<Vec<_>>())
    .bind(place.launch.0)
    .bind(now)
    .bind(slice)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Rows that the slice's object does not hold: they did not fit, or they were pending when another attempt wrote it.
async fn move_rest(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    now: OffsetDateTime,
) -> Result<Option<i32>, Error> {
    let some: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM ledger WHERE launch_id = $1 AND slice = $2 AND state = 'pending' LIMIT 1",
    )
    .bind(place.launch.0)
    .bind(slice)
    .fetch_optional(&mut **tx)
    .await?;
    if some.is_none() {
        return Ok(None);
    }
    // One new number at a time.
    sqlx::query("SELECT FROM broadcast.launches WHERE id = $1 FOR NO KEY UPDATE")
        .bind(place.launch.0)
        .execute(&mut **tx)
        .await?;
    let new = next_slice(tx, place).await?;
    let moved = sqlx::query(
        "UPDATE ledger SET slice = $3, changed_at = $4 WHERE launch_id = $1 AND slice = $2 AND state = 'pending'",
    )
    .bind(place.launch.0)
    .bind(slice)
    .bind(new)
    .bind(now)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if moved == 0 {
        return Ok(None);
    }
    slices::set(tx, place.launch, new, Next::Generating(now + NUDGE)).await?;
    sqlx::query("UPDATE broadcast.launches SET slices = greatest(slices, $2 + 1) WHERE id = $1")
        .bind(place.launch.0)
        .bind(new)
        .execute(&mut **tx)
        .await?;
    Ok(Some(new))
}
