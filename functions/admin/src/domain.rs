//! Sender domains: their DKIM keys, the DNS records that publish them, and the attestation that they are the tenant's.

use mail::{Address, DkimKeys, DnsRecord};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::{OffsetDateTime, macros::format_description};

use crate::{Admin, AdminError, audit, secret, tenant::Tenant};

/// Registers a domain. Its row holds the place until the secret is written: the first tenant keeps it, and a crash leaves no row.
pub(crate) async fn add(
    admin: &Admin,
    slug: &str,
    domain: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let keys = generate(normalised(domain)?, selector(now)).await?;
    let name = secret::domain(&admin.deployment, &keys.domain);
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    let inserted = sqlx::query(
        "INSERT INTO broadcast.sender_domains (domain, tenant_id, selector_rsa, selector_ed25519, secret_name)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (domain) DO NOTHING",
    )
    .bind(&keys.domain)
    .bind(tenant.id().0)
    .bind(&keys.selector_rsa)
    .bind(&keys.selector_ed25519)
    .bind(&name)
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 0 {
        let answer = known(admin, &mut tx, &tenant, &keys.domain).await?;
        tx.commit().await?;
        return Ok(answer);
    }
    let text = serde_json::to_string(&keys).map_err(|_| AdminError::DomainKeys)?;
    secret::put(&admin.clients, &name, &text).await?;
    publish(&mut tx, &keys).await?;
    audit::note(&mut tx, tenant.id(), "add_sender_domain", Some(&keys.domain)).await?;
    tx.commit().await?;
    answer(&keys)
}

/// The records of a domain that is registered already.
async fn known(
    admin: &Admin,
    db: &mut PgConnection,
    tenant: &Tenant,
    domain: &str,
) -> Result<Value, AdminError> {
    let name: Option<String> = sqlx::query_scalar(
        "SELECT secret_name FROM broadcast.sender_domains WHERE domain = $1 AND tenant_id = $2",
    )
    .bind(domain)
    .bind(tenant.id().0)
    .fetch_optional(&mut *db)
    .await?;
    let text = admin.clients.secret(&name.ok_or(AdminError::DomainTaken)?).await?;
    let keys = serde_json::from_str(&text).map_err(|_| AdminError::DomainKeys)?;
    publish(db, &keys).await?;
    answer(&keys)
}

/// Keeps the public records with the domain, where the tenant sees them.
async fn publish(db: &mut PgConnection, keys: &DkimKeys) -> Result<(), AdminError> {
    let record = |record: &DnsRecord| json!({"name": record.name, "type": "TXT", "value": record.value});
    let records: Value = keys.dns_records()?.iter().map(record).collect();
    sqlx::query("UPDATE broadcast.sender_domains SET dns_records = $2 WHERE domain = $1")
        .bind(&keys.domain)
        .bind(records)
        .execute(db)
        .await?;
    Ok(())
}

/// Records that somebody vouches for the tenant's ownership. Given again, the first attestation stays.
pub(crate) async fn confirm(
    admin: &Admin,
    domain: &str,
    by: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let by = audit::name_of(by)?;
    let domain = normalised(domain)?;
    let mut tx = admin.store.pool().begin().await?;
    let tenant: i64 = sqlx::query_scalar(
        "UPDATE broadcast.sender_domains
         SET confirmed_at = coalesce(confirmed_at, $2), confirmed_by = coalesce(confirmed_by, $3)
         WHERE domain = $1 RETURNING tenant_id",
    )
    .bind(&domain)
    .bind(now)
    .bind(by)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AdminError::UnknownDomain)?;
    audit::note_by(&mut tx, contract::TenantId(tenant), by, "confirm_sender_domain", Some(&domain)).await?;
    tx.commit().await?;
    Ok(json!({"domain": domain, "confirmed": true}))
}

/// As it stands in the domain part of an address: small letters, A-labels.
fn normalised(domain: &str) -> Result<String, AdminError> {
    let text = format!("postmaster@{domain}");
    let address = Address::parse(&text).map_err(|_| AdminError::Domain)?;
    Ok(address.domain().to_owned())
}

async fn generate(domain: String, selector: String) -> Result<DkimKeys, AdminError> {
    let keys = tokio::task::spawn_blocking(move || DkimKeys::generate(&domain, &selector));
    Ok(keys.await.map_err(|_| AdminError::Cut)??)
}

/// Keys are told apart by the day they were made on.
fn selector(now: OffsetDateTime) -> String {
    // Only a year of five digits could fail; any other name is as good then.
    now.format(format_description!("b[year][month][day]")).unwrap_or_else(|_| "b".to_owned())
}

fn answer(keys: &DkimKeys) -> Result<Value, AdminError> {
    let record = |record: &DnsRecord| json!({"name": record.name, "type": "TXT", "value": record.value, "strings": record.strings()});
    let records: Vec<Value> = keys.dns_records()?.iter().map(record).collect();
    Ok(json!({"domain": keys.domain, "dns_records": records}))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_domain_is_kept_as_addresses_have_it() {
        assert_eq!(normalised("News.Acme.Example").unwrap(), "news.acme.example");
        assert_eq!(normalised("grüße.example").unwrap(), "xn--gre-6ka8l.example");
        for bad in ["", "example", "bad domain.example", "a@b.example", "a..example"] {
            assert!(matches!(normalised(bad), Err(AdminError::Domain)), "{bad}");
        }
    }

    #[test]
    fn a_selector_is_a_dns_label() {
        assert_eq!(selector(datetime!(2026-11-23 20:00 UTC)), "b20261123");
    }
}
