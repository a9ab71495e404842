//! Templates: compiled when they are handed in, so that their author reads what is wrong, and where.

use std::sync::Arc;

use axum::{Json, extract::State};
use contract::CampaignId;
use fault::{Code, Notice};
use mail::{Address, Template};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use store::TenantTx;

use crate::{
    Api, ApiError,
    caller::Caller,
    campaigns::Campaign,
    request::{Document, Id, malformed},
};

/// Of the sender's display name, in characters.
const FROM_NAME_CHARS_MAX: usize = 100;

/// A template as a client writes and reads it.
#[derive(Clone, Deserialize, Serialize, FromRow)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    #[serde(default)]
    from_name: String,
    from_address: String,
    subject: String,
    html: String,
    #[serde(default)]
    text: Option<String>,
}

/// `PUT /v1/campaigns/{id}/template`: a new version; launches that run keep theirs.
pub(crate) async fn replace(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
    Document(content): Document<Content>,
) -> Result<Json<Value>, ApiError> {
    let domain = sender_domain(&content)?;
    let content = Arc::new(content);
    let compiled = {
        let content = content.clone();
        tokio::task::spawn_blocking(move || compile(&content)).await.map_err(|_| ApiError::Cut)??
    };
    let mut tx = api.store.tenant(caller.tenant).await?;
    Campaign::load_open(&mut tx, id).await?;
    check_confirmed(&mut tx, &domain).await?;
    let version = insert(&mut tx, CampaignId(id), &content).await?;
    caller.note(&mut tx, "replace_template", id).await?;
    tx.commit().await?;
    Ok(Json(json!({"version": version, "fields": compiled.fields, "links": compiled.links})))
}

/// What a template uses, for its author.
#[derive(Serialize)]
struct Uses {
    fields: Vec<String>,
    links: Vec<Value>,
}

fn compile(content: &Content) -> Result<Uses, mail::TemplateError> {
    let template = Template { subject: &content.subject, html: &content.html, text: content.text.as_deref() };
    let compiled = template.compile()?;
    let links = compiled
        .links()
        .iter()
        .map(|link| json!({"number": link.number, "url": link.url, "line": link.line}));
    Ok(Uses { fields: compiled.fields().iter().cloned().collect(), links: links.collect() })
}

/// The domain of the `From` address, as A-label.
fn sender_domain(content: &Content) -> Result<String, ApiError> {
    let name = &content.from_name;
    if name.chars().count() > FROM_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(malformed(format!(
            "from_name: at most {FROM_NAME_CHARS_MAX} characters are possible, and no control characters"
        )));
    }
    let address = Address::parse(&content.from_address)
        .map_err(|error| malformed(format!("from_address: {}", Notice::new(error.code()).words())))?;
    // Every mail would need relays and receivers that take such addresses.
    if address.is_beyond_ascii() {
        let words = "from_address: letters beyond ASCII are not possible before the @ sign of a sender";
        return Err(malformed(words.to_owned()));
    }
    Ok(address.domain().to_owned())
}

async fn check_confirmed(tx: &mut TenantTx, domain: &str) -> Result<(), ApiError> {
    let confirmed: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM broadcast.sender_domains WHERE domain = $1 AND confirmed_at IS NOT NULL)",
    )
    .bind(domain)
    .fetch_one(&mut **tx)
    .await?;
    if confirmed { Ok(()) } else { Err(Notice::new(Code::SenderDomain).with("domain", domain).into()) }
}

/// Versions count from 1. The campaign's row keeps two writers apart.
async fn insert(tx: &mut TenantTx, campaign: CampaignId, content: &Content) -> Result<i32, ApiError> {
    let tenant = tx.tenant().0;
    sqlx::query("SELECT FROM broadcast.campaigns WHERE id = $1 FOR NO KEY UPDATE")
        .bind(campaign.0)
        .execute(&mut **tx)
        .await?;
    let version = sqlx::query_scalar(
        "INSERT INTO broadcast.templates (tenant_id, campaign_id, version, from_name, from_address, subject, html, text)
         SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7 FROM broadcast.templates WHERE campaign_id = $2
         RETURNING version",
    )
    .bind(tenant)
    .bind(campaign.0)
    .bind(&content.from_name)
    .bind(&content.from_address)
    .bind(&content.subject)
    .bind(&content.html)
    .bind(content.text.as_deref())
    .fetch_one(&mut **tx)
    .await?;
    Ok(version)
}

/// `GET /v1/campaigns/{id}/template`: the newest version
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Content>, ApiError> {
    let mut tx = api.store.tenant(caller.tenant).await?;
    let content: Option<Content> = sqlx::query_as(
        "SELECT from_name, from_address, subject, html, text FROM broadcast.templates
         WHERE campaign_id = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    content.map(Json).ok_or_else(|| Code::NotFound.into())
}

#[cfg(test)]
mod tests {
    use fault::{Disposition, Fault};

    use super::*;

    fn content(from_name: &str, from_address: &str, html: &str) -> Content {
        Content {
            from_name: from_name.to_owned(),
            from_address: from_address.to_owned(),
            subject: "Hello {{ name }}".to_owned(),
            html: html.to_owned(),
            text: None,
        }
    }

    #[test]
    fn a_sender_is_checked() {
        let domain = |name: &str, address: &str| sender_domain(&content(name, address, ""));
        assert_eq!(domain("Acme", "news@Acme.example").unwrap(), "acme.example");
        assert!(domain("Acme\r\nBcc: x", "news@acme.example").is_err());
        assert!(domain(&"x".repeat(101), "news@acme.example").is_err());
        assert!(domain("Acme", "acme.example").is_err());
        assert!(domain("Acme", "jörg@acme.example").is_err());
    }

    #[test]
    fn a_template_tells_what_it_uses_or_where_it_is_wrong() {
        let html = "<p>{{ name }}</p><a href=\"https://acme.example/\">x</a>\n<a href=\"{{ unsubscribe_url }}\">y</a>";
        let uses = compile(&content("", "a@b.example", html)).unwrap();
        assert_eq!((uses.fields.as_slice(), uses.links.len()), (["name".to_owned()].as_slice(), 1));
        let error = compile(&content("", "a@b.example", "<p>\n{{ name </p>")).err().unwrap();
        assert!(
            matches!(error.disposition(), Disposition::Customer(notice) if notice.words().contains("line 2"))
        );
    }
}
