//! A template as one recipient would get it.

use std::sync::Arc;

use axum::{Json, extract::State};
use contract::{CampaignId, ImportId, MailId};
use fault::{Code, Notice};
use mail::{AddressKey, Compiled, Links, RenderError};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow, Row};
use store::{CampaignTx, fields};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    caller::Caller,
    campaigns::{Campaign, enter},
    request::{Id, MaybeDocument, object},
    templates::{Content, Draft, Link, compile, links, load, sender_domain},
};

/// Links of a preview lead nowhere: nobody's click or unsubscribe must come of looking at it.
const NOWHERE: &str = "https://preview.invalid";

/// Which template, and whose row.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewCall {
    /// One that is not kept; the campaign's newest when absent.
    #[serde(default, deserialize_with = "object")]
    template: Option<Content>,
    /// An import of the campaign; its newest when absent.
    #[serde(default)]
    import: Option<i64>,
    /// The line of the file on which the recipient's row begins; the first recipient when absent.
    #[serde(default)]
    line: Option<i64>,
    /// Whether values show their first letters alone, so that a mail can be judged by whom it does not concern.
    #[serde(default)]
    masked: bool,
}

/// What the recipient would get.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview {
    subject: String,
    /// Its links lead nowhere; `links` has the targets.
    html: String,
    text: String,
    import: i64,
    line: i64,
    links: Vec<Link>,
}

/// An import of the campaign.
#[derive(FromRow)]
pub(crate) struct Import {
    id: i64,
    header: Option<Vec<String>>,
    blank_counts: Option<Vec<i64>>,
    blank_lines: Option<Vec<i64>>,
}

/// A recipient's row.
pub(crate) struct Recipient {
    pub(crate) line: i64,
    /// By the names that the template has for columns.
    pub(crate) fields: Vec<(String, String)>,
}

/// Preview the template
///
/// Renders the campaign's template, or one that is only tried, for one imported recipient. A field that this recipient has not, and every
/// other mistake, is told with part and line, as a launch would tell it.
#[utoipa::path(
    post, path = "/campaigns/{id}/template/preview", operation_id = "preview_template", tag = "Templates", security(("key" = ["recipients:read"])),
    request_body(content = Option<PreviewCall>, example = json!({"line": 2})),
    responses((status = 200, description = "What the recipient would get.", body = Preview)),
    extensions(("x-problems" = json!(["campaign_ended", "template_missing", "launch_nothing", "row_missing", "template_syntax", "template_field",
                                      "template_field_blank", "template_unsubscribe", "template_link", "template_file", "template_render"])))
)]
pub(crate) async fn preview(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    MaybeDocument(call): MaybeDocument<PreviewCall>,
) -> Result<Json<Preview>, OperationError> {
    let mut tx = caller.begin_reading(&services).await?;
    Campaign::load_open(&mut tx, id).await?;
    let draft = match call.template {
        Some(content) => Draft::of(content)?,
        None => load(&mut tx, id).await?.1,
    };
    let mut tx = enter(tx, CampaignId(id)).await?;
    let import = find_import(&mut tx, call.import).await?;
    let recipient = find_recipient(&mut tx, &import, call.line).await?;
    drop(tx);
    sender_domain(&draft)?;
    let compiled = compile(&Arc::new(draft)).await?;
    compiled.check_columns(recipient.fields.iter().map(|(name, _)| name.as_str()))?;
    let line = recipient.line;
    let links = links(&compiled);
    let compiled = if call.masked { compiled.masked() } else { compiled };
    let rendered = trial(&caller, CampaignId(id), compiled, recipient.fields)
        .await?
        .map_err(|error| import.notice(error, line))?;
    Ok(Json(Preview {
        subject: rendered.subject,
        html: rendered.html,
        text: rendered.text,
        import: import.id,
        line,
        links,
    }))
}

pub(crate) async fn find_import(tx: &mut CampaignTx, wanted: Option<i64>) -> Result<Import, OperationError> {
    let found = sqlx::query_as(
        "SELECT id, header, blank_counts, blank_lines FROM broadcast.imports
         WHERE campaign_id = $1 AND state IN ('published', 'finished') AND ($2 IS NULL OR id = $2) ORDER BY id DESC LIMIT 1",
    )
    .bind(tx.campaign().0)
    .bind(wanted)
    .fetch_optional(&mut **tx)
    .await?;
    match (found, wanted) {
        (Some(import), _) => Ok(import),
        (None, Some(_)) => Err(Code::NotFound.into()),
        (None, None) => Err(Code::LaunchNothing.into()),
    }
}

impl Import {
    /// What a launch would say of the row at this line. Its words name part, line and field, and quote nothing of the recipient.
    pub(crate) fn notice(&self, error: RenderError, line: i64) -> Notice {
        let RenderError::Field { part, line: at, field } = error else {
            return Notice::new(Code::TemplateRender).with("problem", error);
        };
        let column = self.header.iter().flatten().position(|column| mail::field_name(column) == field);
        let number = |numbers: &Option<Vec<i64>>| Some(*numbers.as_ref()?.get(column?)?);
        // What was imported before blanks were counted has this row at least.
        let (rows, row) = number(&self.blank_counts).zip(number(&self.blank_lines)).unwrap_or((1, line));
        let notice = Notice::new(Code::TemplateFieldBlank).with("part", part).with("line", at);
        notice.with("field", field).with("rows", rows).with("row", row)
    }
}

pub(crate) async fn find_recipient(
    tx: &mut CampaignTx,
    import: &Import,
    line: Option<i64>,
) -> Result<Recipient, OperationError> {
    let table = ImportId(import.id).table();
    // Rows stand in the order of the file, so the first one found is among the first of it.
    let statement =
        format!("SELECT line, address, fields FROM {table} WHERE $1 IS NULL OR line = $1 LIMIT 1");
    let row =
        sqlx::query(AssertSqlSafe(statement)).persistent(false).bind(line).fetch_optional(&mut **tx).await?;
    let missing = || Notice::new(Code::RowMissing).with("line", line.unwrap_or(0));
    let row = row.ok_or_else(missing)?;
    let address: String = row.get("address");
    let values = fields::decode(row.get("fields"), &address)?;
    let mut named: Vec<(String, String)> = Vec::with_capacity(values.len());
    for (column, value) in import.header.iter().flatten().zip(values) {
        let name = mail::field_name(column);
        // Where two columns have one name, the first one counts.
        if !named.iter().any(|(known, _)| *known == name) {
            named.push((name, value));
        }
    }
    Ok(Recipient { line: row.get("line"), fields: named })
}

/// Renders a mail whose links lead nowhere, with fields by their names. Off the threads that serve.
pub(crate) async fn trial(
    caller: &Caller,
    campaign: CampaignId,
    compiled: Compiled,
    fields: impl IntoIterator<Item = (String, String)>,
) -> Result<Result<mail::Rendered, RenderError>, OperationError> {
    let links = Links::new(NOWHERE, "preview.invalid", caller.tenant, campaign, 0, &[0; 32]);
    let links = links.map_err(|_| OperationError::Document)?;
    let fields: Vec<_> = fields.into_iter().collect();
    let render = move || {
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        compiled.render(fields, &links, MailId(0), AddressKey([0; 16]))
    };
    tokio::task::spawn_blocking(render).await.map_err(|_| OperationError::Cut)
}
