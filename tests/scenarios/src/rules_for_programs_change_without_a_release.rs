//! An operator changes the rules by which programs are told from people, and functions follow them; a document with a mistake changes nothing.

use access::{MasterKey, Purpose};
use contract::{CampaignId, MailId, TenantId, TrackMessage};
use mail::Links;
use serde_json::{Value, json};
use testkit::{Stack, aws::Aws, http::Http, own, tenant::admin, wait};

const AGENT: &str = "Mozilla/5.0 (Acme Reader)";

/// What `admin` says of rules that it refuses.
async fn refusal(stack: &Stack, rules: &Value) -> String {
    let command = json!({"command": "set_actor_rules", "rules": rules}).to_string();
    let answer = localstack::invoke(stack, "admin", &command).await.unwrap();
    assert!(answer.failed, "{}", answer.payload);
    answer.payload
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_release_and_of_the_operator() {
    let stack = own::deploy(&Stack::from_env().unwrap(), "rules", &["collect"]).await;
    let show = json!({"command": "actor_rules"});
    let release = admin(&stack, show.clone()).await;
    assert_eq!(release["of"], "release");

    let mut rules = release["rules"].clone();
    rules["agents"].as_array_mut().unwrap().push(json!({"contains": "acme reader", "actor": "robot"}));
    let last = rules["agents"].as_array().unwrap().len() - 1;
    let told = refusal(&stack, &rules).await;
    assert!(told.contains(&format!("agents[{last}]: unknown variant `robot`")), "{told}");
    assert!(refusal(&stack, &json!({"version": 2})).await.contains("version: it must be 1"));
    assert_eq!(admin(&stack, show.clone()).await, release);

    rules["agents"][last]["actor"] = json!("proxy");
    let set = admin(&stack, json!({"command": "set_actor_rules", "rules": rules})).await;
    assert_eq!(set, json!({"of": "operator", "rules": rules}));
    assert_eq!(admin(&stack, show).await, set);

    // The function starts with its first request, and reads them.
    let aws = Aws::new(&stack).await;
    let secret = aws.secret(&stack.deployment.secrets["master-key"]).await;
    let key = MasterKey::from_base64(&secret).unwrap().derive(TenantId(1), Purpose::Links, 1);
    let links =
        Links::new(&stack.collect_url, "bounce.example", TenantId(1), CampaignId(2), 1, &key).unwrap();
    Http::default().get(&links.open(MailId(3)), AGENT).await.ok_status();
    let queue = &stack.deployment.queues["track"].url;
    let message = wait::until("the open to be on the queue", async || aws.peek(queue).await.pop()).await;
    let TrackMessage::Response { actor, .. } = serde_json::from_str(&message).unwrap();
    assert_eq!(actor.name(), "proxy");
    assert!(!message.contains("Acme"), "{message}");

    let reset = admin(&stack, json!({"command": "reset_actor_rules"})).await;
    assert_eq!(reset, release);
    own::undeploy(&stack).await;
}
