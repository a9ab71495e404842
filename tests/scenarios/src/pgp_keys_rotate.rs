//! A tenant's own key is rotated: files encrypted to the old one are still imported, until it is retired; then they are refused in words.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use testkit::{Stack, Tenant, gpg::Gpg, tenant::admin, wait};

/// Uploads one row, encrypted to a key, and waits for the import's end.
async fn import(tenant: &Tenant, gpg: &Gpg, campaign: i64, name: &str, fingerprint: &str) -> Value {
    let file = tenant.folder.path().join(name);
    std::fs::write(&file, format!("email,name\r\n{name}@{},A\r\n", tenant.recipients_domain)).unwrap();
    let encrypted = std::fs::read(gpg.encrypt(&file, fingerprint)).unwrap();
    let name = format!("{name}.pgp");
    tenant.put(&name, encrypted).await;
    tenant.control(&name, "spring", false).await;
    wait::until("the import's end", async || {
        tenant.imports(campaign).await.into_iter().find(|import| {
            import["file"] == name.as_str() && (import["state"] == "finished" || import["state"] == "refused")
        })
    })
    .await
}

fn own_keys(shown: &Value) -> Vec<&str> {
    let keys = shown["pgp_keys"].as_array().unwrap().iter();
    keys.filter(|key| key["purpose"] == "own").map(|key| key["fingerprint"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_opens_until_it_is_retired() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rotate").await;
    let gpg = Gpg::new();
    let campaign = tenant.campaign("spring").await;
    let slug = &tenant.slug;
    let shown = admin(&stack, json!({"command": "tenant", "slug": slug})).await;
    let old = own_keys(&shown)[0].to_owned();
    gpg.import(&tenant.pgp_key);

    let rotated = admin(&stack, json!({"command": "rotate_pgp_key", "slug": slug})).await;
    let new = rotated["fingerprint"].as_str().unwrap().to_owned();
    gpg.import(rotated["public_key"].as_str().unwrap());
    let served = tenant.api("GET", "/v1/pgp-key", None).await.ok();
    assert_eq!(served["fingerprint"], new.as_str());
    let shown = admin(&stack, json!({"command": "tenant", "slug": slug})).await;
    assert_eq!(own_keys(&shown), [old.as_str(), new.as_str()]);

    for (name, key) in [("to-the-old-key.csv", &old), ("to-the-new-key.csv", &new)] {
        let import = import(&tenant, &gpg, campaign, name, key).await;
        assert_eq!(import["state"], "finished", "{import}");
    }

    // The key in use cannot be retired; the old one can, twice.
    let in_use = json!({"command": "retire_pgp_key", "slug": slug, "fingerprint": new});
    assert!(localstack::invoke(&stack, "admin", &in_use.to_string()).await.unwrap().failed);
    for _ in 0..2 {
        admin(&stack, json!({"command": "retire_pgp_key", "slug": slug, "fingerprint": old})).await;
    }
    let shown = admin(&stack, json!({"command": "tenant", "slug": slug})).await;
    assert_eq!(own_keys(&shown), [new.as_str()]);

    let refused = import(&tenant, &gpg, campaign, "too-late.csv", &old).await;
    assert_eq!(refused["reason_code"], "pgp_not_for_us", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("Download the key again"), "{refused}");
    assert!(tenant.sftp().list("Invalids").await.contains(&"too-late.csv.pgp".to_owned()));
    assert_eq!(tenant.accounting(campaign).await.number("imported"), 2);
    tenant.all_is_well(campaign).await;
}

/// Signs with the first key and encrypts.
fn signed(gpg: &Gpg, file: &Path, recipient: &str, signer: &str) -> Vec<u8> {
    let output = Command::new("gpg")
        .args(["--batch", "--quiet", "--no-tty", "--yes", "--trust-model", "always", "--homedir"])
        .arg(gpg.home())
        .args(["--local-user", signer, "--recipient", recipient, "--output", "-", "--sign", "--encrypt"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_demands_signatures_gets_them() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::with(&stack, "signed", json!({"signature_required": true})).await;
    let gpg = Gpg::new();
    let known = gpg.generate("known@pgp.example");
    gpg.generate("unknown@pgp.example");
    gpg.import(&tenant.pgp_key);
    let added = admin(
        &stack,
        json!({"command": "add_pgp_key", "slug": tenant.slug, "purpose": "signer", "public_key": known}),
    )
    .await;
    let campaign = tenant.campaign("spring").await;
    let file = tenant.folder.path().join("list.csv");
    let csv = format!("email,name\r\na@{},A\r\n", tenant.recipients_domain);
    std::fs::write(&file, &csv).unwrap();
    let by = |signer: &str| signed(&gpg, &file, &tenant.slug, signer);
    let unsigned = std::fs::read(gpg.encrypt(&file, &tenant.slug)).unwrap();
    let uploads = [
        ("known.csv.pgp", by("known@pgp.example"), None),
        ("unknown.csv.pgp", by("unknown@pgp.example"), Some("pgp_signature")),
        ("unsigned.csv.pgp", unsigned, Some("pgp_signature")),
        ("plain.csv", csv.into_bytes(), Some("pgp_signature")),
        ("removed.csv.pgp", by("known@pgp.example"), Some("pgp_signature")),
    ];
    for (name, bytes, reason) in uploads {
        if name.starts_with("removed") {
            let remove = json!({"command": "remove_pgp_key", "slug": tenant.slug, "purpose": "signer", "fingerprint": added["fingerprint"]});
            assert_eq!(admin(&stack, remove.clone()).await["removed"], true);
            assert_eq!(admin(&stack, remove).await["removed"], false);
        }
        tenant.put(name, bytes).await;
        tenant.control(name, "spring", false).await;
        let import = wait::until(name, async || {
            tenant.imports(campaign).await.into_iter().find(|import| {
                import["file"] == name && (import["state"] == "finished" || import["state"] == "refused")
            })
        })
        .await;
        assert_eq!(import["reason_code"].as_str(), reason, "{name}: {import}");
    }
    assert_eq!(tenant.accounting(campaign).await.number("imported"), 1);
    let mut invalids = tenant.sftp().list("Invalids").await;
    invalids.retain(|name| !name.ends_with(".errors.csv"));
    invalids.sort();
    assert_eq!(invalids, ["plain.csv", "removed.csv.pgp", "unknown.csv.pgp", "unsigned.csv.pgp"]);
    tenant.all_is_well(campaign).await;
}
