//! What stands in a file: its columns, and the statement that reads its rows.

use contract::{CampaignId, ImportId};
use serde::{Deserialize, Serialize};

/// A column of a tenant's exports. Names as the tenant's settings and the files' headers have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// When it happened, in UTC (RFC 3339).
    Time,
    /// `delivered`, `bounced`, ...
    Type,
    /// The customer's own key, from the import.
    RecipientKey,
    /// The address as imported; none when the person was erased.
    Address,
    /// Of a click: the link as the template has it.
    Link,
    /// Of a bounce: `hard`, `soft` or `block`.
    Class,
    /// Of a bounce: the other side's words.
    Diagnostic,
    /// `human`, `proxy`, `scanner` or `system`.
    Actor,
    /// The campaign's name.
    Campaign,
    /// The import's number.
    Import,
    /// The row's line in the imported file.
    Line,
    /// Which version of the template was mailed.
    TemplateVersion,
    /// The response's own id, which never comes twice.
    Response,
}

/// The columns of a tenant that chose none, and of plans that were made before there was a choice.
pub const DEFAULT: [Column; 8] = [
    Column::Time,
    Column::Type,
    Column::RecipientKey,
    Column::Address,
    Column::Link,
    Column::Class,
    Column::Diagnostic,
    Column::Actor,
];

/// Every kind of response, in the order of their files.
pub const KINDS: [&str; 6] = ["bounced", "clicked", "complained", "delivered", "opened", "unsubscribed"];

impl Column {
    /// From its name in the settings.
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }

    /// As the header has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Type => "type",
            Self::RecipientKey => "recipient_key",
            Self::Address => "address",
            Self::Link => "link",
            Self::Class => "class",
            Self::Diagnostic => "diagnostic",
            Self::Actor => "actor",
            Self::Campaign => "campaign",
            Self::Import => "import",
            Self::Line => "line",
            Self::TemplateVersion => "template_version",
            Self::Response => "response",
        }
    }

    /// `l`: the ledger's row, `p`: the person's, `k`: the link's.
    fn sql(self) -> &'static str {
        match self {
            Self::Time => "r.at",
            Self::Type => "r.kind",
            Self::RecipientKey => "p.recipient_key",
            Self::Address => "p.address",
            Self::Link => "k.url",
            Self::Class => "r.class",
            Self::Diagnostic => "r.diagnostic",
            Self::Actor => "r.actor",
            Self::Campaign => "c.name",
            Self::Import => "l.import_id",
            Self::Line => "l.line",
            Self::TemplateVersion => "t.version",
            Self::Response => "r.event_id",
        }
    }
}

/// Which rows.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'r> {
    /// Whose responses.
    pub campaign: CampaignId,
    /// Exclusive.
    pub seq_from: i64,
    /// Inclusive.
    pub seq_to: i64,
    /// The imports whose people may be among them.
    pub imports: &'r [ImportId],
}

/// The query for the rows of all files in the order of their numbers, each with its kind before the columns. What stands in it are typed
/// numbers and names of this module: a copy takes no arguments.
pub fn query(columns: &[Column], rows: Rows<'_>) -> String {
    let Rows { campaign, seq_from, seq_to, imports } = rows;
    let needs = |wanted: &[Column]| columns.iter().any(|column| wanted.contains(column));
    let selected: Vec<&str> = columns.iter().map(|column| column.sql()).collect();
    let mut parts = vec![format!(
        "SELECT r.kind, {} FROM responses r JOIN ledger l ON l.id = r.mail_id",
        selected.join(", ")
    )];
    if needs(&[Column::RecipientKey, Column::Address]) {
        parts.push(format!("LEFT JOIN LATERAL ({}) AS p ON true", people(imports)));
    }
    if needs(&[Column::Link, Column::TemplateVersion]) {
        parts.push("LEFT JOIN broadcast.launches AS launch ON launch.id = l.launch_id".to_owned());
    }
    if needs(&[Column::Link]) {
        parts
            .push("LEFT JOIN links k ON k.template_id = launch.template_id AND k.number = r.link".to_owned());
    }
    if needs(&[Column::TemplateVersion]) {
        parts.push("LEFT JOIN broadcast.templates t ON t.id = launch.template_id".to_owned());
    }
    if needs(&[Column::Campaign]) {
        parts.push(format!("CROSS JOIN (SELECT name FROM broadcast.campaigns WHERE id = {campaign}) AS c"));
    }
    parts.push(format!("WHERE r.seq > {seq_from} AND r.seq <= {seq_to} ORDER BY r.seq"));
    parts.join(" ")
}

/// One look-up in the table of the mail's own import: the others' conditions fail before they are looked into.
fn people(imports: &[ImportId]) -> String {
    let of_import = |import: &ImportId| {
        format!(
            "SELECT address, recipient_key FROM {} WHERE l.import_id = {import} AND line = l.line",
            import.table()
        )
    };
    let each: Vec<String> = imports.iter().map(of_import).collect();
    if each.is_empty() {
        return "SELECT NULL::text AS address, NULL::text AS recipient_key WHERE false".to_owned();
    }
    each.join(" UNION ALL ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Column; 13] = [
        Column::Time,
        Column::Type,
        Column::RecipientKey,
        Column::Address,
        Column::Link,
        Column::Class,
        Column::Diagnostic,
        Column::Actor,
        Column::Campaign,
        Column::Import,
        Column::Line,
        Column::TemplateVersion,
        Column::Response,
    ];

    #[test]
    fn names_are_those_of_the_settings() {
        for column in ALL {
            assert_eq!(Column::parse(column.name()), Some(column));
        }
        assert_eq!(Column::parse("password"), None);
    }

    #[test]
    fn only_what_the_columns_need_is_joined() {
        let rows =
            Rows { campaign: CampaignId(2), seq_from: 10, seq_to: 20, imports: &[ImportId(5), ImportId(6)] };
        assert_eq!(
            query(&[Column::Time, Column::Actor], rows),
            "SELECT r.kind, r.at, r.actor FROM responses r JOIN ledger l ON l.id = r.mail_id \
             WHERE r.seq > 10 AND r.seq <= 20 ORDER BY r.seq"
        );
        assert_eq!(
            query(&[Column::Address, Column::Link], rows),
            "SELECT r.kind, p.address, k.url FROM responses r JOIN ledger l ON l.id = r.mail_id LEFT JOIN LATERAL (\
             SELECT address, recipient_key FROM recipients_5 WHERE l.import_id = 5 AND line = l.line UNION ALL \
             SELECT address, recipient_key FROM recipients_6 WHERE l.import_id = 6 AND line = l.line) AS p ON true \
             LEFT JOIN broadcast.launches AS launch ON launch.id = l.launch_id \
             LEFT JOIN links k ON k.template_id = launch.template_id AND k.number = r.link \
             WHERE r.seq > 10 AND r.seq <= 20 ORDER BY r.seq"
        );
        let whole = query(&ALL, Rows { imports: &[], ..rows });
        assert!(
            whole.contains("WHERE false) AS p")
                && whole.contains("t.version")
                && whole.contains("WHERE id = 2) AS c")
        );
    }
}
