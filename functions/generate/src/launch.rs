//! The start of a launch: checks, one ledger row per address, slices.

use contract::{
    ImportId,
    webhook::{Event, LaunchEnd, LaunchEnded},
};
use fault::{Code, Disposition, Fault, Notice};
use mail::{Address, Compiled, Template};
use sqlx::{AssertSqlSafe, FromRow};
use store::CampaignTx;
use time::OffsetDateTime;

use crate::{Error, Generate, NUDGE, Place, SLICE_MAILS};

/// A launch with the template that it froze.
#[derive(FromRow)]
pub(crate) struct Launch {
    pub state: String,
    pub template_id: i64,
    pub from_name: String,
    pub from_address: String,
    pub subject: String,
    pub html: String,
    pub text: Option<String>,
}

/// A published import of the campaign.
#[derive(FromRow)]
struct Import {
    id: i64,
    header: Option<Vec<String>>,
}

impl Launch {
    /// Compiles the frozen template.
    pub fn compile(&self) -> Result<Compiled, mail::TemplateError> {
        Template { subject: &self.subject, html: &self.html, text: self.text.as_deref() }.compile()
    }
}

/// The columns of [`Launch`].
pub(crate) const SELECT_LAUNCH: &str =
    "SELECT l.state, l.template_id, t.from_name, t.from_address, t.subject, t.html, t.text
     FROM broadcast.launches l JOIN broadcast.templates t ON t.id = l.template_id
     WHERE l.id = $1 AND l.campaign_id = $2";

/// Starts a launch, or emits its slices once more when it runs already.
pub(crate) async fn start(generate: &Generate, place: Place, now: OffsetDateTime) -> Result<(), Error> {
    let mut tx = generate.store.campaign(place.tenant, place.campaign).await?;
    let Some(launch) = lock(&mut tx, place).await? else {
        // Whoever holds it goes on with it; if that fails, its own message and the schedule come back.
        return Ok(());
    };
    let slices = match launch.state.as_str() {
        "preparing" => match prepare(&mut tx, place, &launch, now).await? {
            Ok(slices) => slices,
            Err(notice) => {
                fail(&mut tx, place, &notice, now).await?;
                tracing::info!(launch = place.launch.0, code = %notice.code, "launch refused");
                return Ok(tx.commit().await?);
            }
        },
        "running" => pending_slices(&mut tx, place).await?,
        _ => return Ok(()),
    };
    tx.commit().await?;
    let messages: Vec<_> = slices.into_iter().map(|slice| place.slice(slice)).collect();
    Ok(generate.clients.send_batch(&generate.queue, place.tenant, &messages).await?)
}

/// Locks the launch; `None` when somebody else has it.
async fn lock(tx: &mut CampaignTx, place: Place) -> Result<Option<Launch>, Error> {
    let launch = sqlx::query_as(AssertSqlSafe(format!("{SELECT_LAUNCH} FOR UPDATE OF l SKIP LOCKED")))
        .bind(place.launch.0)
        .bind(place.campaign.0)
        .fetch_optional(&mut **tx)
        .await?;
    if launch.is_none() {
        let exists: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM broadcast.launches WHERE id = $1 AND campaign_id = $2)",
        )
        .bind(place.launch.0)
        .bind(place.campaign.0)
        .fetch_one(&mut **tx)
        .await?;
        return if exists { Ok(None) } else { Err(Error::NoLaunch) };
    }
    Ok(launch)
}

/// Checks the launch and writes its rows; the outer result is ours, the inner one the customer's.
async fn prepare(
    tx: &mut CampaignTx,
    place: Place,
    launch: &Launch,
    now: OffsetDateTime,
) -> Result<Result<Vec<i32>, Notice>, Error> {
    // Other launches and the publication of imports of this campaign wait; new launches and imports may be made meanwhile.
    let open: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM broadcast.campaigns WHERE id = $1 AND state = 'open' FOR NO KEY UPDATE",
    )
    .bind(place.campaign.0)
    .fetch_optional(&mut **tx)
    .await?;
    if open.is_none() {
        return Ok(Err(Code::CampaignEnded.into()));
    }
    let imports: Vec<Import> = sqlx::query_as(
        "SELECT id, header FROM broadcast.imports WHERE campaign_id = $1 AND state IN ('published', 'finished') ORDER BY id",
    )
    .bind(place.campaign.0)
    .fetch_all(&mut **tx)
    .await?;
    let confirmed = match Address::parse(&launch.from_address) {
        Ok(from) => domain_secret(tx, from.domain()).await?.is_some(),
        Err(_) => false,
    };
    let template = match check(launch, &imports, confirmed) {
        Ok(template) => template,
        Err(notice) => return Ok(Err(notice)),
    };
    write_links(tx, launch.template_id, &template).await?;
    for import in &imports {
        write_rows(tx, place, ImportId(import.id), now).await?;
    }
    // A new table has no statistics yet, and every slice is looked up by them.
    sqlx::raw_sql("ANALYZE ledger").execute(&mut **tx).await?;
    let slices = next_slice(tx, place).await?;
    sqlx::query("UPDATE broadcast.launches SET state = 'running', slices = $2 WHERE id = $1")
        .bind(place.launch.0)
        .bind(slices)
        .execute(&mut **tx)
        .await?;
    // Nobody to mail: it is over.
    let over = store::finish_launch(tx, place.launch, now).await?;
    Ok(Ok(if over { Vec::new() } else { (0..slices).collect() }))
}

/// What a customer can have wrong: the compiled template, or why the launch cannot start.
fn check(launch: &Launch, imports: &[Import], domain_confirmed: bool) -> Result<Compiled, Notice> {
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
    let template = launch.compile().map_err(notice)?;
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

/// One row for each address of an import that the campaign has not mailed yet, in the order of the file; an address's first line counts.
async fn write_rows(
    tx: &mut CampaignTx,
    place: Place,
    import: ImportId,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let table = import.table();
    // Slices are joined with the table by line.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE INDEX IF NOT EXISTS {table}_line ON {table} (line); ANALYZE {table}"
    )))
    .execute(&mut **tx)
    .await?;
    let base = next_slice(tx, place).await?;
    // Suppressed rows are numbered apart, so that every slice is full of mails to make.
    let statement = format!(
        "INSERT INTO ledger (launch_id, slice, import_id, line, address_key, state, due_at, changed_at)
         SELECT $1, $2 + ((row_number() OVER (PARTITION BY suppressed ORDER BY line) - 1) / $3)::integer, $4, line, address_key,
                CASE WHEN suppressed THEN 'suppressed' ELSE 'pending' END, CASE WHEN suppressed THEN NULL ELSE $5 END, $6
         FROM (SELECT r.address_key, r.line, s.address_key IS NOT NULL AS suppressed
               FROM (SELECT DISTINCT ON (address_key) address_key, line FROM {table} ORDER BY address_key, line) r
               LEFT JOIN broadcast.suppressions s ON s.tenant_id = $7 AND s.address_key = r.address_key
               WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.address_key = r.address_key)) r
         ORDER BY line
         ON CONFLICT (address_key) DO NOTHING"
    );
    sqlx::query(AssertSqlSafe(statement))
        .persistent(false)
        .bind(place.launch.0)
        .bind(base)
        .bind(SLICE_MAILS)
        .bind(import.0)
        .bind(now + NUDGE)
        .bind(now)
        .bind(place.tenant.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The number after the launch's highest slice.
pub(crate) async fn next_slice(tx: &mut CampaignTx, place: Place) -> Result<i32, Error> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(slice) + 1, 0) FROM ledger WHERE launch_id = $1")
        .bind(place.launch.0)
        .fetch_one(&mut **tx)
        .await?)
}

async fn pending_slices(tx: &mut CampaignTx, place: Place) -> Result<Vec<i32>, Error> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT slice FROM ledger WHERE launch_id = $1 AND state = 'pending' ORDER BY slice",
    )
    .bind(place.launch.0)
    .fetch_all(&mut **tx)
    .await?)
}

async fn fail(tx: &mut CampaignTx, place: Place, notice: &Notice, now: OffsetDateTime) -> Result<(), Error> {
    sqlx::query("UPDATE broadcast.launches SET state = 'failed', reason_code = $2, reason = $3, ended_at = $4 WHERE id = $1")
        .bind(place.launch.0)
        .bind(notice.code.slug())
        .bind(notice.words())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    let Place { tenant, campaign, launch } = place;
    let reason_code = Some(notice.code.slug().to_owned());
    let end = LaunchEnded { launch, campaign, state: LaunchEnd::Failed, reason_code };
    store::announce(tx, tenant, &Event::LaunchEnded(end), now).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(html: &str) -> Launch {
        Launch {
            state: "preparing".to_owned(),
            template_id: 1,
            from_name: "News".to_owned(),
            from_address: "news@example.com".to_owned(),
            subject: "Hello {{ first_name }}".to_owned(),
            html: html.to_owned(),
            text: None,
        }
    }

    fn import(header: &[&str]) -> Import {
        Import { id: 1, header: Some(header.iter().map(|name| (*name).to_owned()).collect()) }
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
            let result = check(&launch(html), &imports, confirmed);
            assert_eq!(result.err().map(|notice| notice.code), expected, "{html}");
        }
    }

    #[test]
    fn the_domain_is_named() {
        let notice = check(&launch(""), &[import(&[])], false).err();
        assert_eq!(
            notice.map(|notice| notice.words()).as_deref(),
            Some("The sender's domain \"example.com\" is not confirmed for you.")
        );
    }
}
