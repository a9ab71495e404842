//! `ssh-audit` knows no algorithm of the gateway that fails.

use testkit::{Stack, customer::installed};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_are_modern() {
    let stack = Stack::from_env().unwrap();
    let mut audit = Command::new(installed("ssh-audit"));
    // Many fast connections would take the places of other tests' logins.
    audit.args(["--json", "--skip-rate-test", "--port", &stack.sftp.port.to_string(), &stack.sftp.host]);
    let output = audit.output().await.unwrap();
    // 1: it could not connect; 2: warnings; 3: failures.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}: {output:?}", output.status);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["kex"][0]["algorithm"], "mlkem768x25519-sha256", "{found}");
    let mut seen = 0;
    for kind in ["kex", "key", "enc", "mac"] {
        for algorithm in found[kind].as_array().unwrap() {
            assert!(algorithm["notes"]["fail"].as_array().is_none_or(Vec::is_empty), "{algorithm}");
            seen += 1;
        }
    }
    assert!(seen > 8, "{found}");
    let algorithms: Vec<_> = found["kex"].as_array().unwrap().iter().map(|kex| &kex["algorithm"]).collect();
    assert!(algorithms.iter().any(|name| *name == "kex-strict-s-v00@openssh.com"), "{algorithms:?}");
}
