//! A customer proves the receipts of deletions from a file, with the program that the page of the API has; a long one comes in parts.

use std::process::Command;

use serde_json::json;
use sqlx::AssertSqlSafe;
use testkit::{Stack, Tenant};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::receipts_are_proved_or_found_false::{receipts, verify};

const PAGE: &str = include_str!("../../../functions/api/README.md");
const PATH: &str = "/v1/receipts/statement";

/// What the program of the API's page says of a statement.
fn proved(tenant: &Tenant, statement: &str) -> Result<String, String> {
    let (_, rest) = PAGE.split_once("```python\n").unwrap();
    let program = rest.split("```").next().unwrap();
    let ask = "import sys\nprint(*prove(open(sys.argv[1], newline='')))";
    let file = tenant.folder.path().join("statement.csv");
    std::fs::write(&file, statement).unwrap();
    let mut python = Command::new(&tenant.stack.python);
    let output = python
        .arg("-c")
        .arg(format!(
            "{program}
{ask}"
        ))
        .arg(file)
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(said(&output.stdout))
    } else {
        Err(said(&output.stderr).lines().last().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_whoever_has_them() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "proves").await;
    let last = receipts(&tenant, 3).await;
    let answer = tenant.api("GET", PATH, None).await;
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").unwrap(), "text/csv; charset=utf-8");
    assert_eq!(header("content-disposition").unwrap(), "attachment; filename=\"receipts-1-3.csv\"");
    assert_eq!(header("link"), None);
    let statement = answer.text();
    let head = verify(&tenant).await["head"].clone();
    let digest = head["digest"].as_str().unwrap();
    assert_eq!(proved(&tenant, &statement), Ok(format!("3 {digest}")));

    // No cell of it is a formula to a spreadsheet, or needs quotes.
    let lines: Vec<&str> = statement.lines().collect();
    assert_eq!(lines.len(), 4, "{statement}");
    for cell in lines.iter().flat_map(|line| line.split(',')) {
        assert!(
            cell.starts_with(|first: char| first.is_ascii_alphanumeric()) && !cell.contains('"'),
            "{cell}"
        );
    }
    let altered = statement.replacen(",1,Incoming", ",2,Incoming", 1);
    let without = |number: usize| {
        let left = lines.iter().enumerate().filter(|(line, _)| *line != number).map(|(_, line)| *line);
        left.collect::<Vec<_>>().join("\r\n")
    };
    for (statement, broken) in [
        (altered, "ValueError: receipt 1 was altered"),
        (without(2), "ValueError: receipt 2 is missing"),
        (statement.replace(&digest[1..], &"0".repeat(63)), "ValueError: receipt 3 was altered"),
    ] {
        assert_eq!(proved(&tenant, &statement), Err(broken.to_owned()));
    }

    // Some of them: by time, and what follows a number.
    let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let (begin, end) = (time(last - Duration::minutes(90)), time(last - Duration::minutes(30)));
    for (query, expected) in [
        (format!("from={begin}"), &lines[2..]),
        (format!("from={begin}&to={end}"), &lines[2..3]),
        (format!("to={begin}"), &lines[1..2]),
        ("after=2".to_owned(), &lines[3..]),
        ("after=3".to_owned(), &[]),
    ] {
        let part = tenant.api("GET", &format!("{PATH}?{query}"), None).await;
        part.ok_status();
        assert_eq!(part.text().lines().skip(1).collect::<Vec<_>>(), expected, "{query}");
    }
    let wrong = tenant.api("GET", &format!("{PATH}?from=yesterday"), None).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["code"].clone()), (422, json!("field_invalid")));
    let other = Tenant::new(&stack, "others").await;
    assert_eq!(other.api("GET", PATH, None).await.text().lines().count(), 1, "another tenant's receipts");
}

/// A chain of so many receipts, as sweep would have written it in years.
const LONG_CHAIN: &str = "DO $$ DECLARE previous bytea := decode(repeat('00', 32), 'hex'); digest bytea; BEGIN
    FOR n IN 1..10500 LOOP
        digest := sha256(previous || convert_to(format(
            '{\"tenant\":%s,\"number\":%s,\"at_unix_microseconds\":%s,\"what\":\"file\",\"ids\":[%s],\"count\":1,\"rule\":\"Incoming 48 hours\"}',
            TENANT, n, 1795435200000000 + n, n), 'UTF8'));
        INSERT INTO broadcast.receipts (tenant_id, number, at, what, ids, count, rule, previous, digest)
        VALUES (TENANT, n, timestamptz '2026-11-23 12:00:00Z' + n * interval '1 microsecond', 'file', ARRAY[n], 1, 'Incoming 48 hours', previous, digest);
        previous := digest;
    END LOOP; END $$";

#[tokio::test(flavor = "multi_thread")]
async fn part_by_part() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "parts").await;
    let statements = AssertSqlSafe(LONG_CHAIN.replace("TENANT", &tenant.id.to_string()));
    sqlx::raw_sql(statements).execute(&mut tenant.superuser().await).await.unwrap();
    let held = verify(&tenant).await;
    assert_eq!((&held["receipts"], &held["holds"]), (&json!(10_500), &json!(true)), "{held}");

    let (mut next, mut statement, mut parts) = (Some(PATH.to_owned()), String::new(), Vec::new());
    while let Some(path) = next {
        let part = tenant.api("GET", &path, None).await;
        part.ok_status();
        let link = part.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link
            .map(|link| link.strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0.to_owned());
        let text = part.text();
        let (names, lines) = text.split_once("\r\n").unwrap();
        parts.push(lines.lines().count());
        statement.push_str(if statement.is_empty() { &text } else { lines });
        assert!(names.starts_with("tenant,number,"), "{names}");
    }
    assert_eq!(parts, [10_000, 500]);
    assert_eq!(
        proved(&tenant, &statement),
        Ok(format!("10500 {}", held["head"]["digest"].as_str().unwrap()))
    );
}
