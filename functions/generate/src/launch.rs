//! The start of a launch: checks, then its rows; and how it goes on.

use contract::{
    GenerateMessage, ImportId, SendMessage,
    webhook::{Event, LaunchEnd, LaunchEnded},
};
use fault::{Code, Disposition, Fault, Notice};
use mail::{Address, Compiled, Template, TemplateFile};
use sqlx::FromRow;
use store::CampaignTx;
use time::OffsetDateTime;

use crate::{
    Error, Generate, Place, blank,
    due::{is_late, pause_late},
    files, rows,
};

/// First half of the advisory lock that a launch's preparation holds.
const PREPARE_LOCK: i32 = 0x4C41_554E;
/// Slices of a cancelled launch that one message takes back: some seconds' work.
const TAKEN_BACK_MAX: i64 = 200;

/// A launch with the template that it froze.
#[derive(FromRow)]
pub(crate) struct Launch {
    pub state: String,
    pub starts_at: Option<OffsetDateTime>,
    /// When it was made, was due or was resumed, whatever came last.
    pub begun_at: OffsetDateTime,
    pub paced_minutes: Option<i32>,
    pub template_id: i64,
    pub from_name: String,
    pub from_address: String,
    pub locale: String,
    pub subject: String,
    pub preheader: Option<String>,
    pub html: String,
    pub text: Option<String>,
    /// The tenant's name for people.
    pub tenant_name: String,
}

/// A published import of the campaign.
#[derive(FromRow)]
pub(crate) struct Import {
    pub id: i64,
    pub header: Option<Vec<String>>,
    pub blank_counts: Option<Vec<i64>>,
    pub blank_lines: Option<Vec<i64>>,
}

impl Launch {
    /// Compiles the frozen template.
    pub fn compile(&self, files: &[TemplateFile]) -> Result<Compiled, mail::TemplateError> {
        let template = Template {
            locale: &self.locale,
            subject: &self.subject,
            preheader: self.preheader.as_deref(),
            html: &self.html,
            text: self.text.as_deref(),
            files,
        };
        template.compile()
    }
}

/// The columns of [`Launch`].
pub(crate) const SELECT_LAUNCH: &str =
    "SELECT broadcast.effective_state(l.state) AS state, l.starts_at, greatest(l.created_at, l.starts_at, l.resumed_at) AS begun_at, l.paced_minutes, l.template_id,
            t.from_name, t.from_address, t.locale, t.subject, t.preheader, t.html, t.text, o.name AS tenant_name
     FROM broadcast.launches l JOIN broadcast.templates t ON t.id = l.template_id JOIN broadcast.tenants o ON o.id = l.tenant_id
     WHERE l.id = $1 AND l.campaign_id = $2";

/// What came of a launch's preparation.
enum Prepared {
    /// It runs, and these slices come first.
    Slices(Vec<i32>),
    /// It cannot start.
    Refused(Notice),
    /// It was paused or cancelled meanwhile: nothing of it stays.
    Stopped,
    /// A cancelled launch of the campaign is not over: what that one does not hand over may be this one's.
    Waits,
}

/// Has a launch go on from where it stands: prepares it, emits once more what waits of it, or takes back what is left of a cancelled one.
pub(crate) async fn start(generate: &Generate, place: Place, now: OffsetDateTime) -> Result<(), Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let mut launch = load(&mut tx, place).await?;
    if launch.state == "preparing" {
        if !alone(&mut tx, place).await? {
            // Whoever has it goes on with it; if that fails, its own message and the schedule come back.
            return Ok(());
        }
        launch = load(&mut tx, place).await?;
    }
    if let ("preparing", Some(at)) = (launch.state.as_str(), launch.starts_at)
        && is_late(launch.begun_at, now)
    {
        // It was due in time, and its message came too late.
        pause_late(&mut tx, place, at).await?;
        return Ok(tx.commit().await?);
    }
    match launch.state.as_str() {
        "preparing" => match prepare(generate, &mut tx, place, &launch, now).await? {
            Prepared::Slices(slices) => {
                tx.commit().await?;
                generate.emit(place, &slices).await
            }
            Prepared::Refused(notice) => {
                fail(&mut tx, place, &notice, now).await?;
                tracing::info!(launch = place.launch.0, code = %notice.code, "launch refused");
                Ok(tx.commit().await?)
            }
            Prepared::Stopped => {
                tracing::info!(launch = place.launch.0, "stopped while it was prepared");
                Ok(())
            }
            // Whoever ends the other one says so; the schedule comes back, too.
            Prepared::Waits => Ok(()),
        },
        "running" => go_on(generate, tx, place, now).await,
        "cancelled" => take_back(generate, tx, place, now).await,
        store::UNCOMPARED => Err(store::StoreError::NotCurrent.into()),
        // Its time has not come, somebody has to resume it, or it is over.
        _ => Ok(()),
    }
}

async fn load(tx: &mut CampaignTx, place: Place) -> Result<Launch, Error> {
    let launch = sqlx::query_as(SELECT_LAUNCH)
        .bind(place.launch.0)
        .bind(place.campaign.0)
        .fetch_optional(&mut **tx)
        .await?;
    launch.ok_or(Error::NoLaunch)
}

/// One preparation of a launch at a time. The launch's row is left free, so that it can be paused and cancelled meanwhile.
async fn alone(tx: &mut CampaignTx, place: Place) -> Result<bool, Error> {
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, hashint8($2))")
        .bind(PREPARE_LOCK)
        .bind(place.launch.0)
        .fetch_one(&mut **tx)
        .await?)
}

/// Emits what is under way of a running launch, and takes what is next: its message came twice, or it was resumed.
async fn go_on(
    generate: &Generate,
    mut tx: CampaignTx,
    place: Place,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let Place { tenant, campaign, launch } = place;
    let mut generating = generate.take(&mut tx, place, now).await?;
    let waiting: Vec<(i32, String)> = sqlx::query_as(
        "SELECT slice, state FROM slices WHERE launch_id = $1 AND due_at IS NOT NULL AND state IN ('generating', 'sending')
         AND slice <> ALL ($2) ORDER BY slice",
    )
    .bind(launch.0)
    .bind(&generating)
    .fetch_all(&mut *tx)
    .await?;
    if generating.is_empty() && waiting.is_empty() {
        store::finish_launch(&mut tx, launch, now).await?;
    }
    tx.commit().await?;
    let (again, sending): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, state)| state == "generating");
    let sending: Vec<_> = sending
        .into_iter()
        .map(|(slice, _)| SendMessage::Slice { tenant, campaign, launch, slice })
        .collect();
    generate.clients.send_batch(&generate.send_queue, tenant, &sending).await?;
    generating.extend(again.into_iter().map(|(slice, _)| slice));
    generate.emit(place, &generating).await
}

/// Takes back the mails of a cancelled launch that is too large to do so in the call that cancelled it.
async fn take_back(
    generate: &Generate,
    mut tx: CampaignTx,
    place: Place,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let Place { tenant, campaign, launch } = place;
    let more = store::cancel_mails(&mut tx, launch, now, TAKEN_BACK_MAX).await?;
    let over = store::finish_launch(&mut tx, launch, now).await?;
    let waiting = if over { store::preparing_launches(&mut tx).await? } else { Vec::new() };
    tx.commit().await?;
    let more = Some(launch).filter(|_| more);
    let messages: Vec<_> = more
        .into_iter()
        .chain(waiting)
        .map(|launch| GenerateMessage::Launch { tenant, campaign, launch })
        .collect();
    Ok(generate.clients.send_batch(&generate.queue, tenant, &messages).await?)
}

/// Checks the launch and writes its rows.
async fn prepare(
    generate: &Generate,
    tx: &mut CampaignTx,
    place: Place,
    launch: &Launch,
    now: OffsetDateTime,
) -> Result<Prepared, Error> {
    // Other launches and the publication of imports of this campaign wait; new launches and imports may be made meanwhile.
    let open: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM broadcast.campaigns WHERE id = $1 AND state = 'open' FOR NO KEY UPDATE",
    )
    .bind(place.campaign.0)
    .fetch_optional(&mut **tx)
    .await?;
    if open.is_none() {
        return Ok(Prepared::Refused(Code::CampaignEnded.into()));
    }
    let Some(over) = launches_over(tx).await? else { return Ok(Prepared::Waits) };
    let imports: Vec<Import> = sqlx::query_as(
        "SELECT i.id, i.header, i.blank_counts, i.blank_lines FROM broadcast.imports i JOIN broadcast.launches l ON l.id = $2
         WHERE i.campaign_id = $1 AND i.state IN ('published', 'finished') AND (l.import_ids IS NULL OR i.id = ANY (l.import_ids))
         ORDER BY i.id",
    )
    .bind(place.campaign.0)
    .bind(place.launch.0)
    .fetch_all(&mut **tx)
    .await?;
    let confirmed = match Address::parse(&launch.from_address) {
        Ok(from) => domain_secret(tx, from.domain()).await?.is_some(),
        Err(_) => false,
    };
    let files = files::of(tx, launch.template_id).await?;
    let template = match check(launch, &files, &imports, confirmed) {
        Ok(template) => template,
        Err(notice) => return Ok(Prepared::Refused(notice)),
    };
    if let Some(notice) = blank::check(tx, &template, &imports).await? {
        return Ok(Prepared::Refused(notice));
    }
    write_links(tx, launch.template_id, &template).await?;
    for import in &imports {
        rows::write_rows(tx, place, ImportId(import.id), &over, now).await?;
    }
    // A new table has no statistics yet, and every slice is looked up by them.
    sqlx::raw_sql("ANALYZE ledger").execute(&mut **tx).await?;
    let slices = rows::next_slice(tx, place).await?;
    rows::write_slices(tx, place, slices, launch.paced_minutes, now).await?;
    let slices = slices + rows::write_seeds(tx, place, slices, now).await?;
    // Last, because its row is locked from here.
    let runs = sqlx::query(
        "UPDATE broadcast.launches SET state = 'running', slices = $2 WHERE id = $1 AND state = 'preparing'",
    )
    .bind(place.launch.0)
    .bind(slices)
    .execute(&mut **tx)
    .await?;
    if runs.rows_affected() == 0 {
        return Ok(Prepared::Stopped);
    }
    // Nobody to mail: it is over.
    let over = store::finish_launch(tx, place.launch, now).await?;
    Ok(Prepared::Slices(if over { Vec::new() } else { generate.take(tx, place, now).await? }))
}

/// The launches of the campaign that are at their end. `None`: one that is cancelled is not.
async fn launches_over(tx: &mut CampaignTx) -> Result<Option<Vec<i64>>, Error> {
    let launches: Vec<(i64, bool, bool)> = sqlx::query_as(
        "SELECT id, state = 'cancelled', ended_at IS NOT NULL FROM broadcast.launches WHERE campaign_id = $1 AND NOT test",
    )
    .bind(tx.campaign().0)
    .fetch_all(&mut **tx)
    .await?;
    if launches.iter().any(|(_, cancelled, over)| *cancelled && !over) {
        return Ok(None);
    }
    Ok(Some(launches.into_iter().filter_map(|(id, _, over)| over.then_some(id)).collect()))
}

/// What a customer can have wrong: the compiled template, or why the launch cannot start.
fn check(
    launch: &Launch,
    files: &[TemplateFile],
    imports: &[Import],
    domain_confirmed: bool,
) -> Result<Compiled, Notice> {
    if imports.is_empty() {
        return Err(Code::LaunchNothing.into());
    }
    if !domain_confirmed {
        let domain = launch.from_address.rsplit_once('@').map_or("", |(_, domain)| domain);
        return Err(Notice::new(Code::SenderDomain).with("domain", domain));
    }
    let notice = |error: mail::TemplateError| match error.disposition() {
        Disposition::Customer(notice) => notice,
        _ => Code::TemplateSyntax.into(),
    };
    let template = launch.compile(files).map_err(notice)?;
    for import in imports {
        let names: Vec<String> =
            import.header.iter().flatten().map(|column| mail::field_name(column)).collect();
        template.check_columns(names.iter().map(String::as_str)).map_err(notice)?;
    }
    Ok(template)
}

/// The name of the secret with the keys of a sender domain that is confirmed for this tenant.
pub(crate) async fn domain_secret(tx: &mut CampaignTx, domain: &str) -> Result<Option<String>, Error> {
    Ok(sqlx::query_scalar(
        "SELECT secret_name FROM broadcast.sender_domains WHERE domain = $1 AND tenant_id = $2 AND confirmed_at IS NOT NULL",
    )
    .bind(domain)
    .bind(tx.tenant().0)
    .fetch_optional(&mut **tx)
    .await?)
}

async fn write_links(tx: &mut CampaignTx, template_id: i64, template: &Compiled) -> Result<(), Error> {
    let numbers: Vec<i32> =
        template.links().iter().map(|link| i32::try_from(link.number).unwrap_or(i32::MAX)).collect();
    let urls: Vec<&str> = template.links().iter().map(|link| link.url.as_str()).collect();
    sqlx::query(
        "INSERT INTO links (template_id, number, url) SELECT $1, * FROM unnest($2::integer[], $3::text[])
         ON CONFLICT DO NOTHING",
    )
    .bind(template_id)
    .bind(numbers)
    .bind(urls)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The launch is over before it began. It may have held the campaign's end up: the lifetime starts anew, as after every launch.
async fn fail(tx: &mut CampaignTx, place: Place, notice: &Notice, now: OffsetDateTime) -> Result<(), Error> {
    let failed = sqlx::query(
        "UPDATE broadcast.launches SET state = 'failed', reason_code = $2, reason = $3, ended_at = $4
         WHERE id = $1 AND state = 'preparing'",
    )
    .bind(place.launch.0)
    .bind(notice.code.slug())
    .bind(notice.words())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if failed.rows_affected() == 1 {
        store::restart_lifetime(tx, now).await?;
        let Place { tenant, campaign, launch } = place;
        let reason_code = Some(notice.code.slug().to_owned());
        let end = LaunchEnded { launch, campaign, state: LaunchEnd::Failed, reason_code };
        store::announce(tx, tenant, &Event::LaunchEnded(end), now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(html: &str) -> Launch {
        Launch {
            state: "preparing".to_owned(),
            starts_at: None,
            begun_at: OffsetDateTime::UNIX_EPOCH,
            paced_minutes: None,
            template_id: 1,
            from_name: "News".to_owned(),
            from_address: "news@example.com".to_owned(),
            locale: "en".to_owned(),
            subject: "Hello {{ first_name }}".to_owned(),
            preheader: None,
            html: html.to_owned(),
            text: None,
            tenant_name: "Acme".to_owned(),
        }
    }

    fn import(header: &[&str]) -> Import {
        let header = Some(header.iter().map(|name| (*name).to_owned()).collect());
        Import { id: 1, header, blank_counts: None, blank_lines: None }
    }

    #[test]
    fn a_launch_that_cannot_work_says_why() {
        let good = "<p>Hi $$First Name$$</p><a href=\"{{ unsubscribe_url }}\">no more</a>";
        let named = || import(&["E-Mail", "First Name"]);
        let table = [
            (good, vec![named()], true, None),
            (good, vec![], true, Some(Code::LaunchNothing)),
            (good, vec![named()], false, Some(Code::SenderDomain)),
            (good, vec![named(), import(&["E-Mail"])], true, Some(Code::TemplateField)),
            ("<p>Hi</p>", vec![named()], true, Some(Code::TemplateUnsubscribe)),
            ("<p>{{ oops</p>", vec![named()], true, Some(Code::TemplateSyntax)),
        ];
        for (html, imports, confirmed, expected) in table {
            let result = check(&launch(html), &[], &imports, confirmed);
            assert_eq!(result.err().map(|notice| notice.code), expected, "{html}");
        }
    }

    #[test]
    fn the_domain_is_named() {
        let notice = check(&launch(""), &[], &[import(&[])], false).err();
        assert_eq!(
            notice.map(|notice| notice.words()).as_deref(),
            Some("The sender's domain \"example.com\" is not confirmed for you.")
        );
    }
}
