//! The API's own description is true: `schemathesis` asks for everything in it, well-formed and not, with all its checks, and finds nothing.

use std::{path::Path, process::Stdio};

use serde_json::json;
use testkit::{Stack, Tenant, customer::installed, tenant::admin, unique};
use tokio::process::Command;

/// Requests that are made up for each operation and phase; others follow from the description alone.
const EXAMPLES: usize = 10;
const EXAMPLES_LONG: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn in_every_operation() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "says").await;
    // There is something to be found.
    let campaign = tenant.campaign("spring").await;
    tenant.put("list.csv", "email,first_name\nann@example.org,Ann\n").await;
    let call = json!({"file": "list.csv"});
    tenant.api("POST", &format!("/v1/campaigns/{campaign}/imports"), Some(call)).await.ok();
    // A key of its own with every scope: what it finds out, it may also delete.
    let key = json!({"name": unique("says"), "requests_per_minute": 1_000_000});
    let made = admin(&stack, json!({"command": "create_api_key", "slug": tenant.slug, "key": key})).await;
    let key = tenant.aws.secret(made["secret"].as_str().unwrap()).await;

    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/schemathesis.toml");
    let mut schemathesis = Command::new(installed("st"));
    schemathesis.arg("--config-file").arg(settings).arg("run").arg(format!("{}/openapi.json", stack.api_url));
    schemathesis.arg("--header").arg(format!("Authorization: Bearer {key}"));
    let examples = if std::env::var_os("BROADCAST_LONG").is_some() { EXAMPLES_LONG } else { EXAMPLES };
    schemathesis.args([
        "--checks",
        "all",
        "--no-color",
        "--continue-on-failure",
        "--max-examples",
        &examples.to_string(),
    ]);
    let output = schemathesis.current_dir(tenant.folder.path()).stdin(Stdio::null()).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("Tested: "), "{told}");
}
