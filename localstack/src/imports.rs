//! `cargo local imports`: how far the instance's imports are.

use std::time::Duration;

use serde::Deserialize;

use crate::commands::say;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::postgres::Server;

/// The newest imports, one JSON document a line.
const QUERY: &str = "SELECT row_to_json(newest) FROM (
    SELECT i.id, t.slug AS tenant, coalesce(c.name, '-') AS campaign, i.state, i.rows, i.imported, i.rejected, i.bytes_done, i.bytes_total,
           coalesce(i.reason_code, '') AS reason_code, i.file_name
    FROM broadcast.imports AS i
    JOIN broadcast.tenants AS t ON t.id = i.tenant_id LEFT JOIN broadcast.campaigns AS c ON c.id = i.campaign_id
    ORDER BY i.id DESC LIMIT 30) AS newest ORDER BY id";
/// A running import writes its counters each second.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Import {
    id: i64,
    tenant: String,
    campaign: String,
    state: String,
    rows: u64,
    imported: u64,
    rejected: u64,
    bytes_done: u64,
    bytes_total: u64,
    reason_code: String,
    file_name: String,
}

/// Prints the newest imports; with `follow`, again whenever something changed, until none is under way.
pub async fn show(instance: &Instance, follow: bool) -> Result<()> {
    let server = Server::from_url(&instance.stack()?.superuser_database_url)?;
    let mut last = String::new();
    loop {
        let answer = server.query("ask for the imports", QUERY).await?;
        let imports = parse(&answer)?;
        if answer != last {
            say(&table(&imports));
        }
        let over = imports.iter().all(|import| matches!(import.state.as_str(), "finished" | "refused"));
        if over || !follow {
            return Ok(());
        }
        last = answer;
        tokio::time::sleep(INTERVAL).await;
    }
}

fn parse(answer: &str) -> Result<Vec<Import>> {
    let imports: std::result::Result<_, _> = answer.lines().map(serde_json::from_str).collect();
    imports.map_err(|source| Error::Json { what: "the database's answer is not readable".to_owned(), source })
}

fn table(imports: &[Import]) -> String {
    let mut lines = vec![format!(
        "{:>6}  {:<16} {:<16} {:<9} {:>10} {:>10} {:>9} {:>5}  FILE",
        "IMPORT", "TENANT", "CAMPAIGN", "STATE", "ROWS", "IMPORTED", "REJECTED", "READ"
    )];
    lines.extend(imports.iter().map(|import| {
        let read = (import.bytes_done * 100).checked_div(import.bytes_total).unwrap_or_default();
        let reason = if import.reason_code.is_empty() { "" } else { "  " };
        format!(
            "{:>6}  {:<16} {:<16} {:<9} {:>10} {:>10} {:>9} {read:>3} %  {}{reason}{}",
            import.id,
            import.tenant,
            import.campaign,
            import.state,
            import.rows,
            import.imported,
            import.rejected,
            import.file_name,
            import.reason_code
        )
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_a_table() {
        let answer = r#"{"id":1,"tenant":"acme","campaign":"spring","state":"running","rows":700,"imported":0,"rejected":0,"bytes_done":50,"bytes_total":200,"reason_code":"","file_name":"a.csv"}
{"id":12,"tenant":"acme","campaign":"-","state":"refused","rows":0,"imported":0,"rejected":0,"bytes_done":0,"bytes_total":0,"reason_code":"control_name","file_name":"b.csv.ctl"}
"#;
        assert_eq!(
            table(&parse(answer).unwrap()),
            "IMPORT  TENANT           CAMPAIGN         STATE           ROWS   IMPORTED  REJECTED  READ  FILE\n     \
             1  acme             spring           running          700          0         0  25 %  a.csv\n    \
             12  acme             -                refused            0          0         0   0 %  b.csv.ctl  control_name"
        );
        assert!(parse("no JSON").is_err());
    }
}
