//! Templates: compiled when they are handed in, so that their author reads what is wrong, and where.

use std::sync::Arc;

use axum::extract::State;
use contract::CampaignId;
use fault::{Code, Notice, Phrase};
use mail::{Address, Compiled, Template, TemplateFile};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::TenantTx;
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::Answer,
    caller::Caller,
    campaigns::Campaign,
    request::{Document, Id, IfMatch, invalid},
    template_files::{self, NewFile, ShownFile},
};

/// Of the sender's display name, in characters.
const FROM_NAME_CHARS_MAX: usize = 100;

/// What is mailed. `{{ field }}` or `$$field$$` is a column of the recipient's row; `{{ unsubscribe_url }}` must stand in HTML and text. The guide
/// tells the rest of the language.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// The sender's name for people.
    #[serde(default)]
    #[schema(max_length = 100, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    from_name: String,
    /// At a domain that is confirmed for the account.
    #[schema(format = "email")]
    from_address: String,
    /// The language in which `date`, `number` and `name` write (BCP 47): `de`, `en-GB`, `fr-CH`.
    #[serde(default = "default_locale")]
    #[schema(default = "en", max_length = 35, pattern = "^[A-Za-z0-9-]+$")]
    locale: String,
    /// One line.
    subject: String,
    /// One line that mail programs show behind the subject, and not in the mail.
    #[serde(default)]
    preheader: Option<String>,
    /// A whole HTML document or the inside of its body. The rules of its `<style>` elements come into the elements that they are for.
    html: String,
    /// Made from the HTML when absent.
    #[serde(default)]
    text: Option<String>,
    /// What every mail carries. Absent: nothing, whatever the version before had.
    #[serde(default)]
    #[schema(max_items = 20)]
    files: Vec<NewFile>,
}

fn default_locale() -> String {
    mail::DEFAULT_LOCALE.to_owned()
}

/// The newest version.
#[derive(Serialize, ToSchema)]
struct ShownTemplate {
    from_name: String,
    from_address: String,
    locale: String,
    subject: String,
    preheader: Option<String>,
    html: String,
    /// Null: it is made from the HTML.
    text: Option<String>,
    /// Without their content.
    files: Vec<ShownFile>,
}

/// A template, whether it is kept or not.
#[derive(Clone, FromRow)]
pub(crate) struct Draft {
    from_name: String,
    from_address: String,
    locale: String,
    subject: String,
    preheader: Option<String>,
    html: String,
    text: Option<String>,
    #[sqlx(skip)]
    files: Vec<TemplateFile>,
}

impl Draft {
    /// With its files decoded.
    pub(crate) fn of(content: Content) -> Result<Self, OperationError> {
        let Content { from_name, from_address, locale, subject, preheader, html, text, files } = content;
        let files = template_files::decode(files)?;
        Ok(Self { from_name, from_address, locale, subject, preheader, html, text, files })
    }
}

/// A new version, and what it uses.
#[derive(Serialize, ToSchema)]
struct TemplateVersion {
    version: i32,
    /// The recipients' fields that it looks at.
    fields: Vec<String>,
    links: Vec<Link>,
}

/// A link of a template.
#[derive(Serialize, ToSchema)]
pub(crate) struct Link {
    /// Its place, from 0: exports name it by this.
    number: u32,
    /// As the template has it.
    url: String,
    /// In the HTML part, from 1.
    line: usize,
}

/// Replace the template
///
/// Makes a new version; launches that run keep theirs. What is wrong with it is told with part and line.
#[utoipa::path(
    put, path = "/campaigns/{id}/template", operation_id = "replace_template", tag = "Templates", security(("key" = ["campaigns:write"])),
    params(("If-Match" = Option<String>, Header, description = "The version that you read.")),
    request_body(content = Content, example = json!({
        "from_name": "Acme", "from_address": "news@acme.example", "locale": "en-GB", "subject": "Hello {{ first_name }}",
        "preheader": "What is new in spring",
        "html": "<p>Hello {{ first_name }}</p><p><a href=\"https://acme.example/\">Our offers</a> <a href=\"{{ unsubscribe_url }}\">No more mails</a></p>"
    })),
    responses((status = 200, description = "The new version.", body = TemplateVersion, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["campaign_ended", "sender_domain", "template_syntax", "template_unsubscribe", "template_link", "template_file"])))
)]
pub(crate) async fn replace(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Document(content): Document<Content>,
) -> Result<Answer, OperationError> {
    let draft = Draft::of(content)?;
    let domain = sender_domain(&draft)?;
    let draft = Arc::new(draft);
    let compiled = compile(&draft).await?;
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load_open(&mut tx, id).await?;
    check_confirmed(&mut tx, &domain).await?;
    let before = lock(&mut tx, id).await?;
    if_match.check(before)?;
    let version = insert(&mut tx, CampaignId(id), before + 1, &draft).await?;
    caller.note(&mut tx, id).await?;
    tx.commit().await?;
    let fields = compiled.fields().iter().cloned().collect();
    Ok(Answer::ok(&TemplateVersion { version, fields, links: links(&compiled) })?.of_version(version))
}

/// Off the threads that serve: a template may take its fuel.
pub(crate) async fn compile(draft: &Arc<Draft>) -> Result<Compiled, OperationError> {
    let draft = draft.clone();
    let compile = move || {
        let template = Template {
            locale: &draft.locale,
            subject: &draft.subject,
            preheader: draft.preheader.as_deref(),
            html: &draft.html,
            text: draft.text.as_deref(),
            files: &draft.files,
        };
        template.compile()
    };
    Ok(tokio::task::spawn_blocking(compile).await.map_err(|_| OperationError::Cut)??)
}

/// The links of a template.
pub(crate) fn links(compiled: &Compiled) -> Vec<Link> {
    let link =
        |link: &mail::TemplateLink| Link { number: link.number, url: link.url.clone(), line: link.line };
    compiled.links().iter().map(link).collect()
}

/// The domain of the `From` address, as A-label.
pub(crate) fn sender_domain(draft: &Draft) -> Result<String, OperationError> {
    let name = &draft.from_name;
    if name.chars().count() > FROM_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let problem = Phrase::AtMostCharacters.filled([("max", &FROM_NAME_CHARS_MAX)]);
        return Err(invalid("from_name", problem));
    }
    let address = Address::parse(&draft.from_address).map_err(|error| {
        invalid("from_address", Notice::new(error.code()).with("column", "from_address").words())
    })?;
    // Every mail would need relays and receivers that take such addresses.
    if address.is_beyond_ascii() {
        return Err(invalid("from_address", Phrase::SenderAscii));
    }
    for (field, text) in [
        ("subject", Some(&draft.subject)),
        ("preheader", draft.preheader.as_ref()),
        ("html", Some(&draft.html)),
        ("text", draft.text.as_ref()),
    ] {
        // Postgres keeps no NUL in a text, and no mail can have one.
        if text.is_some_and(|text| text.contains('\0')) {
            return Err(invalid(field, Phrase::Nul));
        }
    }
    Ok(address.domain().to_owned())
}

pub(crate) async fn check_confirmed(tx: &mut TenantTx, domain: &str) -> Result<(), OperationError> {
    let confirmed: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.sender_domains WHERE domain = $1 AND confirmed_at IS NOT NULL)",
    )
    .bind(domain)
    .fetch_one(&mut **tx)
    .await?;
    if confirmed { Ok(()) } else { Err(Notice::new(Code::SenderDomain).with("domain", domain).into()) }
}

/// The newest version, 0 without one. The campaign's row keeps two writers apart.
async fn lock(tx: &mut TenantTx, campaign: i64) -> Result<i32, OperationError> {
    sqlx::query("SELECT FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE")
        .bind(campaign)
        .execute(&mut **tx)
        .await?;
    let newest = "SELECT coalesce(max(version), 0) FROM broadcast.templates WHERE campaign_id = $1";
    Ok(sqlx::query_scalar(newest).bind(campaign).fetch_one(&mut **tx).await?)
}

async fn insert(
    tx: &mut TenantTx,
    campaign: CampaignId,
    version: i32,
    draft: &Draft,
) -> Result<i32, OperationError> {
    let template: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.templates
             (tenant_id, campaign_id, version, from_name, from_address, locale, subject, preheader, html, text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(tx.tenant().0)
    .bind(campaign.0)
    .bind(version)
    .bind(&draft.from_name)
    .bind(&draft.from_address)
    .bind(&draft.locale)
    .bind(&draft.subject)
    .bind(draft.preheader.as_deref())
    .bind(&draft.html)
    .bind(draft.text.as_deref())
    .fetch_one(&mut **tx)
    .await?;
    template_files::insert(tx, template, &draft.files).await?;
    Ok(version)
}

#[derive(FromRow)]
struct Newest {
    id: i64,
    version: i32,
    #[sqlx(flatten)]
    draft: Draft,
}

/// The newest template of a campaign, without its files.
async fn newest(tx: &mut TenantTx, campaign: i64) -> Result<Newest, OperationError> {
    let row: Option<Newest> = sqlx::query_as(
        "SELECT id, version, from_name, from_address, locale, subject, preheader, html, text FROM broadcast.templates
         WHERE campaign_id = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(campaign)
    .fetch_optional(&mut **tx)
    .await?;
    row.ok_or_else(|| Code::TemplateMissing.into())
}

/// The newest template of a campaign, with its version.
pub(crate) async fn load(tx: &mut TenantTx, campaign: i64) -> Result<(i32, Draft), OperationError> {
    let Newest { id, version, draft } = newest(tx, campaign).await?;
    Ok((version, Draft { files: template_files::load(tx, id).await?, ..draft }))
}

/// Show the template
///
/// The newest version, with the files' names and without their content.
#[utoipa::path(
    get, path = "/campaigns/{id}/template", operation_id = "show_template", tag = "Templates", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "The newest version.", body = ShownTemplate, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["template_missing"])))
)]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Answer, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, id).await?;
    let Newest { id, version, draft } = newest(&mut tx, id).await?;
    let files = template_files::list(&mut tx, id).await?;
    let Draft { from_name, from_address, locale, subject, preheader, html, text, .. } = draft;
    let shown = ShownTemplate { from_name, from_address, locale, subject, preheader, html, text, files };
    Ok(Answer::ok(&shown)?.of_version(version))
}

#[cfg(test)]
mod tests {
    use fault::{Disposition, Fault};

    use super::*;

    fn draft(from_name: &str, from_address: &str, html: &str) -> Draft {
        Draft {
            from_name: from_name.to_owned(),
            from_address: from_address.to_owned(),
            locale: default_locale(),
            subject: "Hello {{ name }}".to_owned(),
            preheader: None,
            html: html.to_owned(),
            text: None,
            files: Vec::new(),
        }
    }

    #[test]
    fn a_sender_is_checked() {
        let domain = |name: &str, address: &str| sender_domain(&draft(name, address, ""));
        assert_eq!(domain("Acme", "news@Acme.example").unwrap(), "acme.example");
        assert!(domain("Acme\r\nBcc: x", "news@acme.example").is_err());
        assert!(domain(&"x".repeat(101), "news@acme.example").is_err());
        assert!(domain("Acme", "acme.example").is_err());
        assert!(domain("Acme", "jörg@acme.example").is_err());
    }

    #[tokio::test]
    async fn a_template_tells_what_it_uses_or_where_it_is_wrong() {
        let html = "<p>{{ name }}</p><a href=\"https://acme.example/\">x</a>\n<a href=\"{{ unsubscribe_url }}\">y</a>";
        let compiled = compile(&Arc::new(draft("", "a@b.example", html))).await.unwrap();
        assert_eq!((compiled.fields().len(), links(&compiled).len()), (1, 1));
        let error = compile(&Arc::new(draft("", "a@b.example", "<p>\n{{ name </p>"))).await.err().unwrap();
        assert!(
            matches!(error.disposition(), Disposition::Customer(notice) if notice.words().contains("line 2"))
        );
        let unknown = Draft { locale: "tlh".to_owned(), ..draft("", "a@b.example", html) };
        let error = compile(&Arc::new(unknown)).await.err().unwrap();
        assert!(
            matches!(error.disposition(), Disposition::Customer(notice) if notice.words().contains("\"locale\""))
        );
    }
}
