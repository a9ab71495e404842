//! The quick start of the API's guide, as a reader copies it: line by line in one shell, against the running stack.

use std::path::PathBuf;

use serde_json::Value;
use testkit::{Stack, customer, unique};
use tokio::process::Command;

/// What the guide says for a fresh stack of a checkout, and what it is for this one.
fn for_this_stack(stack: &Stack, guide: &str) -> String {
    let driver = stack.binaries.join("localstack");
    let driver = driver.display();
    let instance = &stack.instance;
    [
        // Another run has its own.
        ("acme", unique("acme")),
        // It is up.
        ("cargo local up", format!("{driver} status --instance {instance}")),
        ("cargo local invoke", format!("{driver} invoke --instance {instance}")),
        ("cargo local secret", format!("{driver} secret --instance {instance}")),
        ("http://127.0.0.1:8080", stack.api_url.clone()),
        ("-P 2222", format!("-P {}", stack.sftp.port)),
        ("127.0.0.1;", format!("{};", stack.sftp.host)),
    ]
    .into_iter()
    .fold(guide.to_owned(), |text, (documented, here)| {
        assert!(text.contains(documented), "the quick start says {documented} no more");
        text.replace(documented, &here)
    })
}

/// The shell's lines of the section.
fn quick_start() -> String {
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../functions/api/README.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, section) = guide.split_once("\n## Quick start\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("a section behind it");
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").expect("its end").0);
    blocks.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_it_succeeds_and_the_sums_agree() {
    let stack = Stack::from_env().unwrap();
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("quick-start.sh");
    std::fs::write(&script, for_this_stack(&stack, &quick_start())).unwrap();
    let mut shell = Command::new("bash");
    // Any line that fails ends it, and is the last that was shown.
    shell.args(["-eux", "-o", "pipefail"]).arg(&script).current_dir(home.path());
    shell.env("HOME", home.path()).env("TMPDIR", home.path()).kill_on_drop(true);
    let shown = customer::must(shell).await;

    let accounting: Value = shown
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .rfind(|document: &Value| document["balanced"].is_boolean())
        .expect("the accounting is shown");
    assert_eq!(accounting["balanced"], true, "{accounting}");
    let sums = ["/rows", "/imported", "/rejected", "/ledger/sent", "/responses/bounced"];
    let sums = sums.map(|sum| accounting.pointer(sum).and_then(Value::as_u64));
    assert_eq!(sums, [Some(4), Some(3), Some(1), Some(3), Some(1)], "{accounting}");
    assert!(shown.contains("Spring for Ann"), "the preview is of the row of line 2");
    let exported = shown.lines().filter(|line| line.contains("unknown-user@people.")).count();
    assert!(exported >= 1, "the export names who bounced");
}
