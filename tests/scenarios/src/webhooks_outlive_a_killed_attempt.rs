//! Notify is killed while a receiver works on an event: the event is leased for that time, and sent again after it.

use localstack::processes_of;
use testkit::{
    Stack, Tenant,
    hold::signal,
    own,
    receiver::{Answer, Receiver},
    wait,
};
use time::{Duration, OffsetDateTime};

use crate::webhooks::{Webhook, nudge};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_again() {
    let main = Stack::from_env().unwrap();
    let given = ["WEBHOOK_NETWORKS", "WEBHOOK_CA"];
    let given = given.map(|name| (name, main.deployment.environment[name].clone()));
    let stack = own::deploy_with(&main, "hookkill", &["notify"], &given).await;
    let tenant = Tenant::new(&stack, "hookkill").await;
    let receiver = Receiver::start(&main, "127.0.0.1", &[Answer::Hang]).await;
    let webhook = Webhook::told(&tenant, &receiver.url()).await;
    wait::until("the attempt", async || (receiver.told().len() == 1).then_some(())).await;
    signal("KILL", &processes_of(&stack.deployment.functions["notify"]));

    let left = webhook.delivery().await;
    assert_eq!((left.state.as_str(), left.attempts), ("waiting", 1));
    assert!(left.due_at.unwrap() > OffsetDateTime::now_utc() + Duration::seconds(10), "{left:?}");
    // Another invocation has nothing to do with it as long as the lease holds.
    nudge(&tenant).await;
    let queue = &stack.deployment.queues["notify"].url;
    wait::until("the other invocation", async || (tenant.aws.depth(queue).await.0 == 0).then_some(())).await;
    assert_eq!(receiver.told().len(), 1);
    webhook.make_due().await;
    assert_eq!(webhook.until_delivered().await.attempts, 2);
    let told = receiver.told();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    assert_eq!(told[0].body, told[1].body);
    own::undeploy(&stack).await;
}
