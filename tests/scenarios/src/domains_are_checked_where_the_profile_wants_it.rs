//! With `check_domains`, rows whose domain takes no mail are rejected, and those about which nobody knows are imported; without it, nobody is asked.

use serde_json::json;
use testkit::{Stack, Tenant, name_server::NameServer, own, wait};

#[tokio::test(flavor = "multi_thread")]
async fn by_the_name_server_that_the_function_is_told() {
    // An import of its own, which is told the test's name server; everything else is shared.
    let main = Stack::from_env().unwrap();
    let server = NameServer::start().await;
    let stack =
        own::deploy_with(&main, "dns", &["import"], &[("DNS_SERVER", server.address.to_string())]).await;

    let tenant = Tenant::new(&stack, "dns").await;
    let campaign = tenant.campaign("spring").await;
    let addresses =
        ["a@mx.example", "b@null-mx.example", "c@nxdomain.example", "d@servfail.example", "e@a-only.example"];
    let file = format!("email\n{}\n", addresses.join("\n"));

    tenant.put("unchecked.csv", file.clone()).await;
    tenant.control("unchecked.csv", "spring", false).await;
    wait::until("the import without a check", async || imported(&tenant, campaign, 1, (5, 0)).await).await;
    assert!(server.asked().is_empty());

    let overrides = json!({"check_domains": true, "bad_rows_max_percent": 50});
    // Another content: the same file is not imported twice.
    tenant.put("checked.csv", file.replace("a@", "aa@")).await;
    let control = json!({"campaign": "spring", "overrides": overrides});
    tenant.put("checked.csv.ctl", control.to_string()).await;
    wait::until("the import with a check", async || imported(&tenant, campaign, 2, (3, 2)).await).await;
    let report = tenant.aws.get(&tenant.bucket, "Invalids/checked.csv.errors.csv").await;
    let report = String::from_utf8(report.unwrap()).unwrap();
    let places: Vec<_> =
        report.lines().map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(
        places,
        [
            "line,column,code",
            "3,email,address_domain_no_mail",
            "4,email,address_domain_no_mail",
            "0,,rows_counted"
        ]
    );
    assert!(!report.contains("example"), "a report repeats nothing of a row");

    // Name servers that answer nothing: the import says so, and goes on without them.
    let down: Vec<String> = (0..300).map(|n| format!("a@servfail--{n}.example")).collect();
    tenant.put("down.csv", format!("email\n{}\n", down.join("\n"))).await;
    let control = json!({"campaign": "spring", "overrides": {"check_domains": true}});
    tenant.put("down.csv.ctl", control.to_string()).await;
    wait::until("the import without answers", async || imported(&tenant, campaign, 3, (300, 0)).await).await;
    let imports = tenant.imports(campaign).await;
    let told = imports.iter().find(|import| import["reason_code"] == "domains_unchecked").unwrap();
    assert!(told["reason"].as_str().unwrap().contains("300 rows"), "{told}");
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

/// Whether so many imports are finished, the last with these rows imported and rejected.
async fn imported(tenant: &Tenant, campaign: i64, imports: usize, rows: (u64, u64)) -> Option<()> {
    let all = tenant.imports(campaign).await;
    if all.len() != imports || all.iter().any(|import| import["state"] != "finished") {
        return None;
    }
    let last = all.iter().max_by_key(|import| import["id"].as_i64())?;
    let number = |field: &str| last[field].as_u64().unwrap();
    assert_eq!((number("imported"), number("rejected")), rows, "{last}");
    Some(())
}
