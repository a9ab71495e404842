//! Every form of a file (`tests/forms`), uploaded with its control file: rows, counts and reports are those that are expected there.

use std::collections::BTreeMap;

use forms::{Form, Outcome, Rejected, Row, Table};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};
use testkit::{Stack, Tenant, gpg::Gpg, wait};

/// A line of the report that is about no row of the file: its counts.
const COUNTS: &str = "rows_counted";
/// Files uploaded at once. The imports of other tests stand in the same queue, behind these.
const WAVE: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_reports_are_as_expected() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "forms").await;
    let campaign = tenant.campaign("spring").await;
    let gpg = Gpg::new();
    gpg.import(&tenant.pgp_key);
    let forms = forms::all(&|bytes| {
        let file = tenant.folder.path().join("list");
        std::fs::write(&file, bytes).unwrap();
        std::fs::read(gpg.encrypt(&file, &tenant.slug)).unwrap()
    });
    let mut database = tenant.superuser().await;
    for (wave, forms) in forms.chunks(WAVE).enumerate() {
        for form in forms {
            tenant.put(&form.file, form.bytes.clone()).await;
            tenant.put(&format!("{}.ctl", form.file), form.call("spring").to_string()).await;
        }
        let all = wave * WAVE + forms.len();
        let ended = async || ended(&tenant, &mut tenant.superuser().await).await;
        wait::until_so(&format!("{all} imports to end"), ended, |ended| *ended == all).await;
    }

    let mut imports = imports(&tenant, &mut database).await;
    let mut wrong = Vec::new();
    for form in &forms {
        let import = imports.remove(&form.file).unwrap_or_else(|| panic!("no import of {}", form.file));
        wrong.extend(form.compare(&outcome(&tenant, &mut database, campaign, form, &import).await));
    }
    assert!(wrong.is_empty(), "{} of {} forms\n\n{}", wrong.len(), forms.len(), wrong.join("\n"));
    assert!(imports.is_empty(), "imports of other files");
    assert_eq!(tenant.aws.keys(&tenant.bucket, "Incoming/").await, Vec::<String>::new());
    duplicates_agree(&tenant, &mut database, campaign).await;
    tenant.all_is_well(campaign).await;
}

async fn ended(tenant: &Tenant, database: &mut PgConnection) -> usize {
    let sql =
        "SELECT count(*) FROM broadcast.imports WHERE tenant_id = $1 AND state IN ('finished', 'refused')";
    let count: i64 = sqlx::query_scalar(sql).bind(tenant.id).fetch_one(database).await.unwrap();
    usize::try_from(count).unwrap()
}

/// By the files' names.
async fn imports(tenant: &Tenant, database: &mut PgConnection) -> BTreeMap<String, PgRow> {
    let sql = "SELECT id, file_name, state, header, charset, delimiter, imported, rejected, reason_code
               FROM broadcast.imports WHERE tenant_id = $1";
    let rows = sqlx::query(sql).bind(tenant.id).fetch_all(database).await.unwrap();
    rows.into_iter().map(|row| (row.get("file_name"), row)).collect()
}

async fn outcome(
    tenant: &Tenant,
    database: &mut PgConnection,
    campaign: i64,
    form: &Form,
    import: &PgRow,
) -> Outcome {
    let finished = import.get::<&str, _>("state") == "finished";
    let folder = if finished { "Finished" } else { "Invalids" };
    let moved = tenant.aws.get(&tenant.bucket, &format!("{folder}/{}", form.file)).await;
    assert!(moved.is_some_and(|bytes| bytes == form.bytes), "{} is not in {folder} as it was", form.file);

    let report = tenant.aws.get(&tenant.bucket, &format!("Invalids/{}.errors.csv", form.file)).await;
    let (whole, rejected): (Vec<_>, Vec<_>) =
        lines(&report.unwrap_or_default()).into_iter().partition(|line| line.line == 0);
    let reasons: Vec<&str> =
        whole.iter().map(|line| line.code.as_str()).filter(|code| *code != COUNTS).collect();
    if !finished {
        let code: String = import.get("reason_code");
        assert_eq!(reasons, [code.as_str()], "{}: the report's reason for the whole file", form.name);
        return Outcome { table: Err(code), rejected };
    }
    assert!(reasons.is_empty(), "{}: {reasons:?}", form.name);
    let count = |column: &str| u64::try_from(import.get::<i64, _>(column)).unwrap();
    let table = Table {
        charset: import.get("charset"),
        delimiter: import.get::<String, _>("delimiter").parse().unwrap(),
        columns: import.get("header"),
        imported: count("imported"),
        rejected: count("rejected"),
        rows: rows(database, campaign, import.get("id")).await,
    };
    assert_eq!(
        (table.rows.len() as u64, rejected.len() as u64),
        (table.imported, table.rejected),
        "{}: the counts",
        form.name
    );
    Outcome { table: Ok(table), rejected }
}

fn lines(report: &[u8]) -> Vec<Rejected> {
    let mut report = csv::Reader::from_reader(report);
    let lines = report.records().map(|line| {
        let line = line.unwrap();
        Rejected { line: line[0].parse().unwrap(), column: line[1].to_owned(), code: line[2].to_owned() }
    });
    lines.collect()
}

async fn rows(database: &mut PgConnection, campaign: i64, import: i64) -> Vec<Row> {
    let sql = format!(
        "SELECT line, address, address_key, recipient_key, fields FROM campaign_{campaign}.recipients_{import} ORDER BY line"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(database).await.unwrap();
    let rows = rows.into_iter().map(|row| {
        let address: String = row.get("address");
        Row {
            line: row.get("line"),
            address_key: row.get("address_key"),
            key: row.get("recipient_key"),
            fields: store::fields::decode(row.get("fields"), &address).unwrap(),
            address,
        }
    });
    rows.collect()
}

/// Of each address one row is none, whichever import came first.
async fn duplicates_agree(tenant: &Tenant, database: &mut PgConnection, campaign: i64) {
    let sql = "SELECT array_agg(id), sum(imported)::bigint, sum(duplicates)::bigint
               FROM broadcast.imports WHERE tenant_id = $1 AND state = 'finished'";
    let (imports, imported, duplicates): (Vec<i64>, i64, i64) =
        sqlx::query_as(sql).bind(tenant.id).fetch_one(&mut *database).await.unwrap();
    let tables: Vec<String> = imports
        .iter()
        .map(|import| format!("SELECT address_key FROM campaign_{campaign}.recipients_{import}"))
        .collect();
    let sql = format!("SELECT count(DISTINCT address_key) FROM ({}) AS rows", tables.join(" UNION ALL "));
    let addresses: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(database).await.unwrap();
    assert_eq!(duplicates, imported - addresses, "duplicates over all imports");
}
