//! Names of a tenant's secrets, and writing them.

use runtime::{AwsError, Clients};

/// `<deployment>/tenants/<slug>/sftp-password`
pub(crate) fn sftp_password(deployment: &str, slug: &str) -> String {
    format!("{deployment}/tenants/{slug}/sftp-password")
}

/// `<deployment>/tenants/<slug>/api-key`
pub(crate) fn api_key(deployment: &str, slug: &str) -> String {
    format!("{deployment}/tenants/{slug}/api-key")
}

/// `<deployment>/tenants/<slug>/api-keys/<prefix>`
pub(crate) fn further_api_key(deployment: &str, slug: &str, prefix: &str) -> String {
    format!("{deployment}/tenants/{slug}/api-keys/{prefix}")
}

/// `<deployment>/tenants/<slug>/openpgp/<fingerprint>`
pub(crate) fn openpgp(deployment: &str, slug: &str, fingerprint: &str) -> String {
    format!("{deployment}/tenants/{slug}/openpgp/{fingerprint}")
}

/// `<deployment>/domains/<domain>`
pub(crate) fn domain(deployment: &str, domain: &str) -> String {
    format!("{deployment}/domains/{domain}")
}

/// Writes a secret, new or over what an unfinished attempt left there.
pub(crate) async fn put(clients: &Clients, name: &str, value: &str) -> Result<(), AwsError> {
    match clients.secrets.create_secret().name(name).secret_string(value).send().await {
        Ok(_) => return Ok(()),
        Err(error) => {
            let error = AwsError::of("CreateSecret", &error);
            if error.code() != Some("ResourceExistsException") {
                return Err(error);
            }
        }
    }
    clients
        .secrets
        .put_secret_value()
        .secret_id(name)
        .secret_string(value)
        .send()
        .await
        .map_err(|error| AwsError::of("PutSecretValue", &error))?;
    Ok(())
}

/// Deletes a secret at once and for good; one that is gone already is fine.
pub(crate) async fn delete(clients: &Clients, name: &str) -> Result<(), AwsError> {
    let deleted =
        clients.secrets.delete_secret().secret_id(name).force_delete_without_recovery(true).send().await;
    match deleted.map_err(|error| AwsError::of("DeleteSecret", &error)) {
        Err(error) if error.code() != Some("ResourceNotFoundException") => Err(error),
        _ => Ok(()),
    }
}
