//! Import profiles: how a tenant's files are read.

use contract::Profile;
use serde_json::{Value, json};

use crate::{Admin, AdminError, audit, tenant::Tenant};

/// Makes a profile or replaces it. Imports that run have read theirs.
pub(crate) async fn set(
    admin: &Admin,
    slug: &str,
    name: &str,
    profile: &Profile,
) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let tenant = Tenant::load(&mut tx, slug).await?;
    sqlx::query(
        "INSERT INTO broadcast.import_profiles (tenant_id, name, profile) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, name) DO UPDATE SET profile = excluded.profile",
    )
    .bind(tenant.id().0)
    .bind(name)
    .bind(sqlx::types::Json(profile))
    .execute(&mut *tx)
    .await?;
    audit::note(&mut tx, tenant.id(), "set_import_profile", Some(name)).await?;
    tx.commit().await?;
    Ok(json!({"name": name, "profile": profile}))
}
