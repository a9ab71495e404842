//! A file with too many bad rows is refused whole: it moves to Invalids, beside a report that names line and reason, and nothing is imported.

use testkit::{Stack, Tenant, wait};

#[tokio::test(flavor = "multi_thread")]
async fn the_report_names_the_line() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "bad").await;
    let campaign = tenant.campaign("spring").await;
    let csv = "email,name\r\na@good.example,\"two\r\nlines\"\r\nnot an address,B\r\nc@good.example\r\n,D\r\n";
    tenant.put("bad.csv", csv).await;
    tenant.control("bad.csv", "spring", true).await;
    let import = wait::until("the refusal", async || {
        tenant.imports(campaign).await.into_iter().find(|import| import["state"] == "refused")
    })
    .await;
    assert_eq!(import["reason_code"], "file_too_many_bad_rows", "{import}");
    let mut invalids = tenant.sftp().list("Invalids").await;
    invalids.sort();
    assert_eq!(invalids, ["bad.csv", "bad.csv.errors.csv"]);
    assert_eq!(tenant.aws.get(&tenant.bucket, "Invalids/bad.csv").await.unwrap(), csv.as_bytes());
    let report =
        String::from_utf8(tenant.aws.get(&tenant.bucket, "Invalids/bad.csv.errors.csv").await.unwrap())
            .unwrap();
    // The quoted line break counts: the second record begins in line 4.
    for expected in
        ["4,", "5,", "6,", "address_no_at", "row_ragged", "address_missing", "file_too_many_bad_rows"]
    {
        assert!(report.contains(expected), "{expected} in:\n{report}");
    }
    assert!(
        !report.contains("good.example") && !report.contains("not an address"),
        "no value in the report:\n{report}"
    );
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("imported"), tenant.mails().len()), (0, 0));
    assert_eq!(tenant.sftp().list("Incoming").await, Vec::<String>::new());
    tenant.all_is_well(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_control_file_is_answered() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "ctl").await;
    tenant.campaign("spring").await;
    tenant.put("list.csv", "email\r\na@good.example\r\n").await;
    tenant.put("list.csv.ctl", r#"{"campaign": "spring", "lunch": true}"#).await;
    let report = wait::until("the answer", async || {
        let names = tenant.aws.keys(&tenant.bucket, "Invalids/").await;
        let report = names.into_iter().find(|name| name.ends_with(".errors.csv"))?;
        tenant.aws.get(&tenant.bucket, &report).await
    })
    .await;
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("control_malformed") && report.contains("lunch"), "{report}");
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/list.csv.ctl").await.is_none());
}
