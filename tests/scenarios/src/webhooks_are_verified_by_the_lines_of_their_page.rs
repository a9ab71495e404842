//! What the page for integrators says about signatures, in Python and in a shell, is right about a request that came.

use std::process::Command;

use serde_json::json;
use testkit::{Stack, Tenant, receiver::Receiver};

use crate::webhooks::Webhook;

const PAGE: &str = include_str!("../../../functions/notify/README.md");

/// The page's one block in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).unwrap();
    rest.split("```").next().unwrap()
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_two_languages() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hookpage").await;
    let receiver = Receiver::start(&stack, "127.0.0.1", &[]).await;
    let webhook = Webhook::told(&tenant, &receiver.url()).await;
    webhook.until_delivered().await;
    let told = receiver.told().remove(0);
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let [id, timestamp, signature] = names.map(|name| told.header(name));

    let ask = "import json, sys\ngiven = json.loads(sys.argv[1])\nprint(is_ours(given['secret'], given['headers'], given['body'].encode()))";
    let script = format!("{}\n{ask}", block("python"));
    for (body, expected) in [(told.body.clone(), "True"), (told.body.replace("test", "tset"), "False")] {
        let headers = json!({names[0]: id, names[1]: timestamp, names[2]: signature});
        let given = json!({"secret": webhook.secret.text(), "headers": headers, "body": body});
        assert_eq!(said(Command::new(&stack.python).args(["-c", &script, &given.to_string()])), expected);
    }

    std::fs::write(tenant.folder.path().join("body.json"), &told.body).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", block("sh")]).current_dir(tenant.folder.path());
    shell.env("secret", webhook.secret.text()).env("id", id).env("timestamp", timestamp);
    assert_eq!(format!("v1,{}", said(&mut shell)), signature);
}
