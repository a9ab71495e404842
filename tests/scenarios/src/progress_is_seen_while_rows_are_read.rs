//! Whoever watches an import sees rows and bytes of it before it is over.

use serde_json::{Value, json};
use testkit::{Stack, Tenant, name_server::NameServer, own, wait};

const ROWS: usize = 5_000;
/// Two rounds of questions that stay without an answer.
const SILENT: usize = 100;
/// The counter goes by so many rows.
const COUNTED: u64 = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn in_the_api() {
    let main = Stack::from_env().unwrap();
    let server = NameServer::start().await;
    let stack =
        own::deploy_with(&main, "watch", &["import"], &[("DNS_SERVER", server.address.to_string())]).await;
    let tenant = Tenant::new(&stack, "watch").await;
    let campaign = tenant.campaign("spring").await;
    // The import waits some seconds for the last rows' domains, about which its name server says nothing.
    let rows = (0..ROWS).map(|n| format!("a{n}@mx.example\n"));
    let rows = rows.chain((0..SILENT).map(|n| format!("a@silent--{n}.example\n")));
    let file: String = std::iter::once("email\n".to_owned()).chain(rows).collect();
    let bytes = file.len() as u64;
    tenant.put("list.csv", file).await;
    let control = json!({"campaign": "spring", "overrides": {"check_domains": true}});
    tenant.put("list.csv.ctl", control.to_string()).await;

    let import = async || -> Option<Value> { tenant.imports(campaign).await.into_iter().next() };
    wait::until("rows and bytes of a running import", async || {
        let import = import().await?;
        assert!(import["ended_at"].is_null(), "over, and nothing of it was seen: {import}");
        (import["state"] == "running" && import["rows"] == COUNTED && import["bytes_done"] == bytes)
            .then_some(())
    })
    .await;
    let ended = wait::until("the import's end", async || {
        import().await.filter(|import| !import["ended_at"].is_null())
    })
    .await;
    assert_eq!((&ended["state"], &ended["imported"]), (&json!("finished"), &json!(ROWS + SILENT)), "{ended}");
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}
