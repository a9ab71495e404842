//! A campaign that has a list refuses the very same one, under any name and in any packing, unless the call says `again`; another
//! campaign takes it.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, csv::Plan, gpg::Gpg, wait};

async fn ended(tenant: &Tenant, campaign: i64, file: &str) -> Value {
    wait::until(&format!("the end of {file}"), async || {
        let mut imports = tenant.imports(campaign).await.into_iter();
        imports.find(|import| {
            import["file"] == file && matches!(import["state"].as_str(), Some("finished" | "refused"))
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_any_name_and_in_any_packing() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "again").await;
    let (spring, summer) = (tenant.campaign("spring").await, tenant.campaign("summer").await);
    let list = Plan { domain: tenant.recipients_domain.clone(), good: 9, bad: 1, ..Plan::default() }.write();
    tenant.put("list.csv", list.clone()).await;
    tenant.control("list.csv", "spring", false).await;
    let first = ended(&tenant, spring, "list.csv").await;
    assert_eq!((&first["state"], &first["imported"]), (&json!("finished"), &json!(9)));

    let gpg = Gpg::new();
    gpg.import(&tenant.pgp_key);
    let plain = tenant.folder.path().join("mistake.csv");
    std::fs::write(&plain, &list).unwrap();
    let encrypted = std::fs::read(gpg.encrypt(&plain, &tenant.slug)).unwrap();
    for (file, content) in [("mistake.csv", list.clone().into_bytes()), ("mistake.csv.pgp", encrypted)] {
        tenant.put(file, content.clone()).await;
        tenant.control(file, "spring", true).await;
        let import = ended(&tenant, spring, file).await;
        assert_eq!(import["reason_code"], "file_again", "{import}");
        assert!(
            import["reason"].as_str().unwrap().contains(&format!("by import {}", first["id"])),
            "{import}"
        );
        assert_eq!(tenant.aws.get(&tenant.bucket, &format!("Invalids/{file}")).await.unwrap(), content);
        // The report has the bad row, and why the others are not there.
        let report = tenant.aws.get(&tenant.bucket, &format!("Invalids/{file}.errors.csv")).await.unwrap();
        let report = String::from_utf8(report).unwrap();
        assert!(report.contains(",address_") && report.contains("\r\n0,,file_again,"), "{report}");
    }
    assert_eq!(tenant.accounting(spring).await.number("imported"), 9);

    let call = json!({"file": "meant.csv", "again": true});
    tenant.put("meant.csv", list.clone()).await;
    tenant.api("POST", &format!("/v1/campaigns/{spring}/imports"), Some(call)).await.ok();
    let meant = ended(&tenant, spring, "meant.csv").await;
    assert_eq!(
        (&meant["state"], &meant["imported"], &meant["duplicates"]),
        (&json!("finished"), &json!(9), &json!(9))
    );

    tenant.put("other.csv", list).await;
    tenant.control("other.csv", "summer", false).await;
    let other = ended(&tenant, summer, "other.csv").await;
    assert_eq!((&other["state"], &other["imported"]), (&json!("finished"), &json!(9)));
    tenant.all_is_well(spring).await;
    tenant.all_is_well(summer).await;
}
