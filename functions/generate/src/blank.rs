//! Blank fields, before a launch: a mail that says "Dear ," must not come to be, and a launch of which many mails fail neither.
//!
//! The import has counted them. Of each field that the template looks at, the first row where it is blank is rendered: what becomes of it
//! depends on conditions and defaults, which the template alone knows.

use contract::{CampaignId, ImportId, MailId, TenantId};
use fault::{Code, Notice};
use mail::{AddressKey, Compiled, Links, RenderError};
use sqlx::AssertSqlSafe;
use store::{CampaignTx, fields};

use crate::{Error, batch::columns, launch::Import};

/// These mails are made for nobody.
const NOWHERE: &str = "https://launch.invalid";

/// A column that is blank in some rows.
#[derive(Debug, PartialEq, Eq)]
struct Blank<'i> {
    /// As the template calls it.
    field: &'i str,
    rows: i64,
    first_line: i64,
}

/// Why the launch cannot start, if the template needs what some rows have not.
pub(crate) async fn check(
    tx: &mut CampaignTx,
    template: &Compiled,
    imports: &[Import],
) -> Result<Option<Notice>, Error> {
    let links = Links::new(NOWHERE, "launch.invalid", TenantId(0), CampaignId(0), 0, &[0; 32])?;
    for import in imports {
        let names = columns(import.header.as_deref().unwrap_or_default());
        let blanks = blanks(import, &names, template);
        for blank in &blanks {
            let Some(values) = row(tx, ImportId(import.id), blank.first_line).await? else { continue };
            let fields = names.iter().zip(&values);
            let fields = fields.filter_map(|(name, value)| Some((name.as_deref()?, value.as_str())));
            let rendered = template.render(fields, &links, MailId(0), AddressKey([0; 16]));
            if let Err(RenderError::Field { part, line, field }) = rendered
                // The row may have other blanks, and the first of them in the template is the one that is told.
                && let Some(blank) = blanks.iter().find(|blank| blank.field == field)
            {
                // An earlier launch took all of an import, with the template of its time.
                if was_launched(tx, ImportId(import.id)).await? {
                    break;
                }
                let notice = Notice::new(Code::TemplateFieldBlank).with("part", part).with("line", line);
                let notice = notice.with("field", field).with("rows", blank.rows);
                return Ok(Some(notice.with("row", blank.first_line)));
            }
        }
    }
    Ok(None)
}

/// What is blank somewhere of the fields that the template looks at.
fn blanks<'i>(import: &Import, names: &'i [Option<String>], template: &Compiled) -> Vec<Blank<'i>> {
    let counted = import.blank_counts.iter().flatten().zip(import.blank_lines.iter().flatten());
    let columns = names.iter().zip(counted).filter_map(|(name, (rows, first_line))| {
        let field = name.as_deref().filter(|name| template.fields().contains(*name))?;
        (*rows > 0).then_some(Blank { field, rows: *rows, first_line: *first_line })
    });
    columns.collect()
}

async fn was_launched(tx: &mut CampaignTx, import: ImportId) -> Result<bool, Error> {
    let launched = "SELECT EXISTS (SELECT FROM ledger WHERE import_id = $1)";
    Ok(sqlx::query_scalar(launched).bind(import.0).fetch_one(&mut **tx).await?)
}

async fn row(tx: &mut CampaignTx, import: ImportId, line: i64) -> Result<Option<Vec<String>>, Error> {
    let statement = format!("SELECT address, fields FROM {} WHERE line = $1 LIMIT 1", import.table());
    let row: Option<(String, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(statement))
        .persistent(false)
        .bind(line)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|(address, packed)| fields::decode(&packed, &address)).transpose()?)
}

#[cfg(test)]
mod tests {
    use mail::Template;

    use super::*;

    #[test]
    fn only_what_the_template_looks_at_matters() {
        let html = "{{ title|default('') }}{% if city %}{{ city }}{% endif %}{{ unsubscribe_url }}";
        let template =
            Template { locale: "en", subject: "Hi", preheader: None, html, text: None, files: &[] }
                .compile()
                .unwrap();
        let header = ["Email", "Title", "TITLE", "City", "Other"].map(str::to_owned).to_vec();
        let import = Import {
            id: 1,
            header: Some(header.clone()),
            blank_counts: Some(vec![0, 3, 4, 0, 5]),
            blank_lines: Some(vec![0, 7, 8, 0, 9]),
        };
        let names = columns(&header);
        assert_eq!(blanks(&import, &names, &template), [Blank { field: "title", rows: 3, first_line: 7 }]);
        let before = Import { blank_counts: None, blank_lines: None, ..import };
        assert_eq!(blanks(&before, &names, &template), []);
    }
}
