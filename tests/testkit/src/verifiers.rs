//! What the world's receivers say of mails: dkimpy, `OpenDKIM`, Python's parser, `SpamAssassin`; see `tests/clients/verify_mails.py`.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::{Tenant, customer, mailbox::Mail};

/// How the mails were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// With both signatures, through a relay that changes nothing.
    Usually,
    /// With Ed25519 alone, through SES.
    ForSes,
}

/// Has all of them verify these mails of a tenant, with the DNS records that it was told to publish.
///
/// # Panics
/// When one of them finds anything.
pub async fn verify(tenant: &Tenant, made: Made, mails: &[Mail]) {
    let folder = tempfile::tempdir().unwrap();
    for (number, mail) in mails.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number:04}.eml")), &mail.message).unwrap();
    }
    let records = folder.path().join("records.json");
    std::fs::write(&records, published(tenant).await.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/verify_mails.py");
    let mut python = Command::new(customer::installed("python"));
    python.arg("-B").arg(script).arg(folder.path()).arg(records);
    python.args(match made {
        Made::Usually => ["both", "postfix"],
        Made::ForSes => ["ed25519", "ses"],
    });
    customer::must(python).await;
}

/// Names and values of the tenant's records.
async fn published(tenant: &Tenant) -> Value {
    let records: Value =
        sqlx::query_scalar("SELECT dns_records FROM broadcast.sender_domains WHERE domain = $1")
            .bind(&tenant.domain)
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
    let records = records.as_array().unwrap().iter();
    Value::Object(
        records
            .map(|record| (record["name"].as_str().unwrap().to_owned(), record["value"].clone()))
            .collect(),
    )
}
