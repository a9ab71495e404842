//! A sender domain shows of each of its DNS records what name servers say of it at that moment; where they say nothing, it says so in time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::{Stack, Tenant, http::Answer, name_server::NameServer, own};

/// Above the three seconds that the API waits for name servers, for a machine that is slow; below the end of the function's time.
const WAIT_MAX: Duration = Duration::from_secs(10);

async fn get(tenant: &Tenant, path: &str) -> Answer {
    tenant.api("GET", path, None).await
}

/// The domain's records.
async fn records(tenant: &Tenant) -> Vec<Value> {
    let shown = get(tenant, &format!("/v1/sender-domains/{}", tenant.domain)).await.ok();
    assert_eq!((&shown["domain"], &shown["confirmed"]), (&tenant.domain.as_str().into(), &true.into()));
    shown["dns_records"].as_array().unwrap().clone()
}

async fn states(tenant: &Tenant) -> Vec<String> {
    records(tenant).await.iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_moment() {
    // An API of its own, which is told the test's name server.
    let main = Stack::from_env().unwrap();
    let server = NameServer::start().await;
    let variables = [("DNS_SERVER", server.address.to_string())];
    let stack = own::deploy_with(&main, "dnsapi", &[], &variables).await;
    let tenant = Tenant::new(&stack, "sender").await;

    // Whoever names another domain, or all of them, has nobody asked.
    assert_eq!(get(&tenant, "/v1/sender-domains/nobodys.example").await.status, 404);
    let list = get(&tenant, "/v1/sender-domains").await.ok();
    assert!(list["items"][0]["dns_records"][0]["value"].is_string(), "{list}");
    assert!(list["items"][0]["dns_records"][0].get("state").is_none(), "{list}");
    assert!(server.asked().is_empty(), "{:?}", server.asked());

    let all = records(&tenant).await;
    assert_eq!(all.iter().map(|record| &record["state"]).collect::<Vec<_>>(), ["missing", "missing"]);
    let text = |n: usize, field: &str| all[n][field].as_str().unwrap();
    assert!(text(0, "value").len() > 255, "the RSA key needs more than one string");
    let names = BTreeSet::from([text(0, "name").to_owned(), text(1, "name").to_owned()]);
    assert_eq!(server.asked().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), names);

    // Another text, a key that is cut, and the right one beside another text.
    server.publish(text(0, "name"), &["v=spf1 -all"]);
    assert_eq!(states(&tenant).await, ["different", "missing"]);
    server.publish(text(0, "name"), &[&text(0, "value")[..255]]);
    server.publish(text(1, "name"), &[text(1, "value")]);
    assert_eq!(states(&tenant).await, ["different", "published"]);
    server.publish(text(0, "name"), &["v=spf1 -all", text(0, "value")]);
    assert_eq!(states(&tenant).await, ["published", "published"]);
    server.publish(text(1, "name"), &[]);
    assert_eq!(states(&tenant).await, ["published", "missing"]);

    server.fall_silent();
    let begun = Instant::now();
    assert_eq!(states(&tenant).await, ["unknown", "unknown"]);
    assert!(begun.elapsed() < WAIT_MAX, "{:?}", begun.elapsed());
    own::undeploy(&stack).await;
}
