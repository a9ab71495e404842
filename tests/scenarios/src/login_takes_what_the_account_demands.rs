//! Who does not hold what the account demands stays outside: another tenant's key, one that is removed, expired or elsewhere, a password
//! tried too often, one of two factors. Every refusal is in the audit.

use std::path::PathBuf;

use serde_json::json;
use testkit::{
    Stack, Tenant, audit,
    packets::{Answer, flag, status},
    sftp::{Login, Sftp, keygen, keygen_of},
    ssh::{MethodKind, Ssh, asks_further_for, own_address},
    tenant::admin,
    wait,
};

/// See `gateway::login`: passwords that one address may try, and that may be tried for one tenant.
const PASSWORDS_PER_ADDRESS: usize = 20;
const PASSWORDS_PER_TENANT: usize = 100;
/// Each refusal takes a second: connections share them, and none tries as often as one may.
const PER_CONNECTION: usize = 5;

/// One more key of a tenant, with what `add_ssh_key` says about it.
struct Key {
    path: PathBuf,
    fingerprint: String,
}

impl Key {
    async fn new(tenant: &Tenant, terms: serde_json::Value) -> Self {
        let (path, public) = new_key(tenant);
        let mut command = json!({"command": "add_ssh_key", "slug": tenant.slug, "public_key": public});
        command.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let added = admin(&tenant.stack, command).await;
        let fingerprint = added["fingerprint"].as_str().unwrap().to_owned();
        Self { path, fingerprint }
    }
}

/// A pair of keys that nobody knows yet.
fn new_key(tenant: &Tenant) -> (PathBuf, String) {
    let folder = tenant.folder.path().join(testkit::unique("key"));
    std::fs::create_dir(&folder).unwrap();
    keygen(&folder)
}

/// Nobody who is not logged in opens a channel; the connection ends over it.
async fn stays_outside(ssh: &Ssh) {
    assert!(ssh.handle.channel_open_session().await.is_err(), "a channel without a login");
}

async fn refused_in_audit(stack: &Stack, ssh: &Ssh, tenant: Option<i64>, actor: &str) {
    let line = audit::until(stack, ssh.source, "login", "refused").await;
    assert!(line.actor.contains(actor), "{line:?}");
    assert!(tenant.is_none() || line.tenant_id == tenant, "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys() {
    let stack = Stack::from_env().unwrap();
    let (tenant, other) = (Tenant::new(&stack, "keys").await, Tenant::new(&stack, "keysb").await);
    let expired = Key::new(&tenant, json!({"expires_at": "2020-01-01T00:00:00Z"})).await;
    let removed = Key::new(&tenant, json!({})).await;
    let remove =
        json!({"command": "remove_ssh_key", "slug": tenant.slug, "fingerprint": removed.fingerprint});
    let mut before = Ssh::connect(&stack.sftp, &tenant.slug).await;
    assert!(before.key(&removed.path).await.success(), "a key that is still there");
    admin(&stack, remove).await;
    let (stranger, _) = new_key(&tenant);

    for (what, user, key) in [
        ("another tenant's key", &other.slug, &tenant.ssh_key),
        ("an expired key", &tenant.slug, &expired.path),
        ("a removed key", &tenant.slug, &removed.path),
        ("a key of nobody", &tenant.slug, &stranger),
    ] {
        let mut ssh = Ssh::connect(&stack.sftp, user).await;
        assert!(!ssh.key(key).await.success(), "{what} logs in");
        stays_outside(&ssh).await;
        refused_in_audit(&stack, &ssh, None, "SHA256:").await;
    }

    let (inside, outside) = (own_address(), own_address());
    let bound = Key::new(&tenant, json!({"sources": [format!("{inside}/32"), "192.0.2.0/24"]})).await;
    let mut ssh = Ssh::connect_from(&stack.sftp, &tenant.slug, inside).await.unwrap();
    assert!(ssh.key(&bound.path).await.success(), "the key from its own network");
    let mut ssh = Ssh::connect_from(&stack.sftp, &tenant.slug, outside).await.unwrap();
    assert!(!ssh.key(&bound.path).await.success(), "the key from elsewhere");
    refused_in_audit(&stack, &ssh, Some(tenant.id), &bound.fingerprint).await;
    // The connection is not lost by it: another key may be offered.
    assert!(ssh.key(&tenant.ssh_key).await.success());

    let unknown = testkit::unique("nobody");
    let mut ssh = Ssh::connect(&stack.sftp, &unknown).await;
    assert!(!ssh.password("secret").await.success());
    refused_in_audit(&stack, &ssh, None, "sftp").await;
    let lines = audit::from(&stack, ssh.source, |lines| !lines.is_empty()).await;
    assert!(!format!("{lines:?}").contains(&unknown), "what was typed as a name is kept: {lines:?}");
}

/// OpenSSH signs with an RSA key by SHA-2 alone; shorter ones and other kinds are not registered in the first place.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "kinds").await;
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "3072"],
        &["-t", "rsa", "-b", "4096"],
    ] {
        let folder = tenant.folder.path().join(kind.join(""));
        std::fs::create_dir(&folder).unwrap();
        let (key, public) = keygen_of(&folder, kind);
        let sftp = Sftp::new(&stack, &tenant.slug, Login::Key(key));
        assert!(!sftp.run(&["ls".to_owned()]).await.ok, "{kind:?} before it is registered");
        admin(&stack, json!({"command": "add_ssh_key", "slug": tenant.slug, "public_key": public})).await;
        assert!(sftp.must(&["ls".to_owned()]).await.contains("Incoming"), "{kind:?}");
    }
    for weak in [&["-t", "rsa", "-b", "2048"][..], &["-t", "rsa", "-b", "3071"]] {
        let folder = tenant.folder.path().join(weak.join(""));
        std::fs::create_dir(&folder).unwrap();
        let (_, public) = keygen_of(&folder, weak);
        let add = json!({"command": "add_ssh_key", "slug": tenant.slug, "public_key": public});
        assert!(localstack::invoke(&stack, "admin", &add.to_string()).await.unwrap().failed, "{weak:?}");
    }
}

/// Tries a wrong password on several connections from one address each.
async fn try_wrong(tenant: &Tenant, sources: &[std::net::Ipv4Addr], attempts: usize) {
    let mut tries = Vec::new();
    for source in sources {
        let (server, slug, source) = (tenant.stack.sftp.clone(), tenant.slug.clone(), *source);
        tries.push(tokio::spawn(async move {
            let mut ssh = Ssh::connect_from(&server, &slug, source).await.unwrap();
            for _ in 0..attempts {
                assert!(!ssh.password("wrong").await.success());
            }
        }));
    }
    for tried in tries {
        tried.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords() {
    let stack = Stack::from_env().unwrap();
    let (tenant, flooded) = (Tenant::new(&stack, "passes").await, Tenant::new(&stack, "flood").await);
    let source = own_address();
    try_wrong(&tenant, &[source; PASSWORDS_PER_ADDRESS / PER_CONNECTION], PER_CONNECTION).await;
    let mut ssh = Ssh::connect_from(&stack.sftp, &tenant.slug, source).await.unwrap();
    assert!(!ssh.password(&tenant.sftp_password).await.success(), "the address may try on");
    assert!(ssh.key(&tenant.ssh_key).await.success(), "a key is kept out by passwords");
    let refused = |line: &&audit::Line| line.action == "login" && line.result.starts_with("refused");
    let all = |lines: &[audit::Line]| lines.iter().filter(refused).count() > PASSWORDS_PER_ADDRESS;
    audit::from(&stack, source, all).await;
    let mut elsewhere = Ssh::connect(&stack.sftp, &tenant.slug).await;
    assert!(elsewhere.password(&tenant.sftp_password).await.success(), "others are kept out, too");

    let sources: Vec<_> = (0..PASSWORDS_PER_TENANT / PER_CONNECTION).map(|_| own_address()).collect();
    try_wrong(&flooded, &sources, PER_CONNECTION).await;
    let mut ssh = Ssh::connect(&stack.sftp, &flooded.slug).await;
    assert!(!ssh.password(&flooded.sftp_password).await.success(), "the password may be guessed on");
    refused_in_audit(&stack, &ssh, None, "sftp password").await;
    assert!(ssh.key(&flooded.ssh_key).await.success(), "a key is kept out by a flood");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_factors() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "both", json!({"sftp_both": true})).await;
    let other = Tenant::new(&stack, "bothb").await;
    let connect = || Ssh::connect(&stack.sftp, &tenant.slug);

    let mut ssh = connect().await;
    let half = ssh.key(&tenant.ssh_key).await;
    assert!(asks_further_for(&half, MethodKind::Password), "{half:?}");
    stays_outside(&ssh).await;
    let mut ssh = connect().await;
    assert!(!ssh.key(&tenant.ssh_key).await.success());
    assert!(!ssh.key(&tenant.ssh_key).await.success(), "the same factor twice");
    assert!(!ssh.password("wrong").await.success());
    assert!(ssh.password(&tenant.sftp_password).await.success(), "key, then password");
    assert!(!ssh.sftp().await.list("/").await.is_empty());

    let mut ssh = connect().await;
    let half = ssh.password(&tenant.sftp_password).await;
    assert!(asks_further_for(&half, MethodKind::PublicKey), "{half:?}");
    assert!(!ssh.password(&tenant.sftp_password).await.success(), "the same factor twice");
    assert!(!ssh.key(&other.ssh_key).await.success(), "another tenant's key as the second factor");
    assert!(ssh.key(&tenant.ssh_key).await.success(), "password, then key");
    let line = audit::until(&stack, ssh.source, "login", "done").await;
    assert_eq!(line.tenant_id, Some(tenant.id));
}

/// A suspended tenant, and one whose key was removed: what is open ends within a minute, and there is no new login.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_is_taken_back() {
    let stack = Stack::from_env().unwrap();
    let (suspended, keyless) = (Tenant::new(&stack, "suspend").await, Tenant::new(&stack, "keyless").await);
    let removed = Key::new(&keyless, json!({})).await;
    let (first, mut second) = (suspended.ssh().await, Ssh::connect(&stack.sftp, &keyless.slug).await);
    assert!(second.key(&removed.path).await.success());
    let mut sessions = [first.sftp().await, second.sftp().await];
    for (session, tenant) in sessions.iter_mut().zip([&suspended, &keyless]) {
        session.put("/Incoming/before", b"before").await;
        assert!(tenant.aws.get(&tenant.bucket, "Incoming/before").await.is_some());
    }
    let suspend = json!({"command": "set_tenant", "slug": suspended.slug, "status": "suspended"});
    admin(&stack, suspend).await;
    let remove =
        json!({"command": "remove_ssh_key", "slug": keyless.slug, "fingerprint": removed.fingerprint});
    admin(&stack, remove).await;

    let mut ssh = Ssh::connect(&stack.sftp, &suspended.slug).await;
    assert!(!ssh.key(&suspended.ssh_key).await.success());
    assert!(!ssh.password(&suspended.sftp_password).await.success());
    refused_in_audit(&stack, &ssh, Some(suspended.id), "sftp").await;
    let mut ssh = Ssh::connect(&stack.sftp, &keyless.slug).await;
    assert!(!ssh.key(&removed.path).await.success());
    assert!(ssh.key(&keyless.ssh_key).await.success(), "the other key stays");

    for session in &mut sessions {
        wait::until("the session to lose its rights", async || {
            match session.open("/Incoming/before", flag::READ).await {
                Answer::Handle(handle) => {
                    session.close(&handle).await;
                    None
                }
                refused => {
                    assert_eq!(refused.refused(), status::PERMISSION_DENIED);
                    Some(())
                }
            }
        })
        .await;
        for flags in [flag::READ, flag::WRITE | flag::CREATE | flag::TRUNCATE] {
            session.open("/Incoming/before", flags).await.refused();
        }
        session.rename("/Incoming/before", "/Incoming/after").await.refused();
        session.ask_one(testkit::packets::kind::REMOVE, "/Incoming/before").await.refused();
    }
    for tenant in [&suspended, &keyless] {
        let bytes = tenant.aws.get(&tenant.bucket, "Incoming/before").await;
        assert!(bytes.is_some_and(|bytes| bytes == b"before"));
    }
}
