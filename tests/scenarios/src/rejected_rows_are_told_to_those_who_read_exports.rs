//! A tenant whose exports are encrypted gets its error reports encrypted for the same keys. Without a usable key nothing is told in plain
//! text but why.

use serde_json::json;
use testkit::{Stack, Tenant, gpg::Gpg, tenant::admin, wait};

const LIST: &str = "email,city\r\nanna@good.example,Bonn\r\nnobody,Rome\r\ncarl@good.example,Oslo\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn in_a_report_that_gpg_opens() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "report", json!({"encrypt_exports": true})).await;
    let campaign = tenant.campaign("spring").await;
    let import = async |file: &str, percent: u8| {
        tenant.put(file, LIST).await;
        let control =
            json!({"campaign": "spring", "again": true, "overrides": {"bad_rows_max_percent": percent}});
        tenant.put(&format!("{file}.ctl"), control.to_string()).await;
        wait::until(&format!("the end of {file}"), async || {
            let mut imports = tenant.imports(campaign).await.into_iter();
            imports.find(|import| import["file"] == file && !import["ended_at"].is_null())
        })
        .await
    };

    let import_without_key = import("nokey.csv", 50).await;
    assert_eq!(import_without_key["reason_code"], "report_key", "{import_without_key}");
    let names = tenant.aws.keys(&tenant.bucket, "Invalids/").await;
    assert_eq!(names, ["Invalids/nokey.csv", "Invalids/nokey.csv.errors.csv"]);
    let reason = tenant.aws.get(&tenant.bucket, "Invalids/nokey.csv.errors.csv").await.unwrap();
    let reason = String::from_utf8(reason).unwrap();
    assert!(reason.contains("\r\n0,,report_key,") && reason.lines().count() == 2, "{reason}");

    let gpg = Gpg::new();
    let customer = gpg.generate("customer@report.example");
    gpg.import(&tenant.pgp_key);
    let key = json!({"command": "add_pgp_key", "slug": tenant.slug, "purpose": "recipient", "public_key": customer});
    admin(&stack, key).await;
    let opened = async |name: &str| {
        let report = tenant.aws.get(&tenant.bucket, &format!("Invalids/{name}")).await.unwrap();
        let local = tenant.folder.path().join(name);
        std::fs::write(&local, report).unwrap();
        String::from_utf8(gpg.decrypt(&local)).unwrap()
    };
    assert_eq!(import("some.csv", 50).await["rejected"], 1);
    assert_eq!(
        opened("some.csv.errors.csv.pgp").await,
        "line,column,code,reason\r\n\
         3,email,address_no_at,\"The e-mail address has no @ sign, or more than one.\"\r\n\
         0,,rows_counted,\"The file has 3 rows: 2 were imported, 1 rejected.\"\r\n"
    );
    assert_eq!(import("bad.csv", 10).await["reason_code"], "file_too_many_bad_rows");
    let report = opened("bad.csv.errors.csv.pgp").await;
    assert!(
        report.contains("\r\n3,email,address_no_at,") && report.contains("\r\n0,,file_too_many_bad_rows,")
    );
    // A reason alone is for the same eyes.
    tenant.put("none.csv", "").await;
    tenant.control("none.csv", "spring", false).await;
    wait::until("the refusal", async || (tenant.refused_imports(campaign).await.len() == 3).then_some(()))
        .await;
    assert!(opened("none.csv.errors.csv.pgp").await.contains("\r\n0,,file_empty,"));
    tenant.all_is_well(campaign).await;
}
