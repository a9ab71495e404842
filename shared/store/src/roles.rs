//! Postgres roles of tenants. Runs as `broadcast_owner`, which may create roles.

use contract::TenantId;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::StoreError;

/// Makes the tenant's role and lets the functions' login take it. Idempotent.
///
/// The login is NOINHERIT: membership gives nothing before `SET ROLE`. The owner is a member so that it can make schemas for the role.
pub async fn create(owner: &mut PgConnection, tenant: TenantId) -> Result<(), StoreError> {
    let role = tenant.role();
    let statement = format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
         END $$;
         GRANT broadcast_tenant TO {role};
         GRANT {role} TO broadcast_app;
         GRANT {role} TO CURRENT_USER"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await?;
    Ok(())
}

/// Ends the tenant's role with every right that it has, in the transaction that ends the tenant. Its schemas must be gone.
pub async fn drop(owner: &mut PgConnection, tenant: TenantId) -> Result<(), StoreError> {
    let role = tenant.role();
    let statement = format!(
        "DO $$ BEGIN
             IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN DROP OWNED BY {role}; DROP ROLE {role}; END IF;
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await?;
    Ok(())
}
