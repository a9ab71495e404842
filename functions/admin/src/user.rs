//! Users of the console, as an operator makes the first of them. Whoever they are, they choose their own passwords, by a link that comes by mail. E-mail
//! addresses come in and never go out, nor into the audit: users stand there by their numbers.

use access::{MasterKey, Purpose, Role};
use contract::TenantId;
use mail::Address;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use crate::{Admin, AdminError, audit, tenant::Tenant};

/// The limits that a user's account may be locked by, as the console counts them: by the e-mail address, and by the number.
const LIMITS_OF_EMAIL: &str = "login of user";
const LIMITS_OF_NUMBER: &str = "code of user";

/// As an operator describes one.
pub(crate) struct NewUser {
    pub(crate) slug: Option<String>,
    pub(crate) email: String,
    pub(crate) role: Option<String>,
    pub(crate) language: Option<String>,
}

/// An address in the one form that logins are compared in.
fn canonical(email: &str) -> Result<String, AdminError> {
    let address = Address::parse(email).map_err(|_| AdminError::Email)?;
    if address.is_beyond_ascii() {
        return Err(AdminError::Email);
    }
    Ok(address.envelope().to_lowercase())
}

/// Which role somebody gets. A tenant's people have one of the tenant's roles; who has no tenant is an operator.
fn role(slug: Option<&str>, name: Option<&str>) -> Result<Role, AdminError> {
    let role = match name {
        None => Role::Operator,
        Some(name) => name.parse().map_err(|_| AdminError::Role)?,
    };
    if slug.is_none() == (role == Role::Operator) { Ok(role) } else { Err(AdminError::Role) }
}

/// Makes one, and has the invitation mailed. Given again for the same one, it mails another invitation as long as there is no password.
pub(crate) async fn create(admin: &Admin, new: &NewUser, now: OffsetDateTime) -> Result<Value, AdminError> {
    let (email, role) = (canonical(&new.email)?, role(new.slug.as_deref(), new.role.as_deref())?);
    let mut tx = admin.store.pool().begin().await?;
    let tenant = match &new.slug {
        Some(slug) => Some(Tenant::load(&mut tx, slug).await?.id()),
        None => None,
    };
    let row = sqlx::query(
        "INSERT INTO broadcast.users AS u (tenant_id, email, role, language) VALUES ($1, $2, $3, coalesce($4, 'en'))
         ON CONFLICT (email) DO UPDATE SET email = u.email
         WHERE u.tenant_id IS NOT DISTINCT FROM excluded.tenant_id AND u.role = excluded.role AND u.password_hash IS NULL
         RETURNING id, created_at",
    )
    .bind(tenant.map(|tenant| tenant.0))
    .bind(&email)
    .bind(role.name())
    .bind(&new.language)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AdminError::EmailTaken)?;
    let id = row.get("id");
    notify(&mut tx, id, "invitation", now).await?;
    note(&mut tx, tenant, "create_user", id).await?;
    tx.commit().await?;
    Ok(json!({"id": id, "role": role.name(), "invited": true}))
}

async fn notify(db: &mut PgConnection, user: i64, kind: &str, now: OffsetDateTime) -> Result<(), AdminError> {
    sqlx::query("INSERT INTO broadcast.notices (user_id, kind, at, due_at) VALUES ($1, $2, $3, $3)")
        .bind(user)
        .bind(kind)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

async fn note(
    db: &mut PgConnection,
    tenant: Option<TenantId>,
    action: &str,
    user: i64,
) -> Result<(), AdminError> {
    match tenant {
        Some(tenant) => audit::note(db, tenant, action, Some(&user.to_string())).await,
        None => audit::note_of_all(db, "operator", action).await,
    }
}

/// Shows users without their addresses.
pub(crate) async fn list(admin: &Admin, slug: Option<&str>) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = match slug {
        Some(slug) => Some(Tenant::load(&mut db, slug).await?.id().0),
        None => None,
    };
    let users: Value = sqlx::query_scalar(
        "SELECT coalesce(jsonb_agg(jsonb_build_object(
             'id', id, 'role', role, 'language', language, 'has_password', password_hash IS NOT NULL, 'has_phone', phone_sealed IS NOT NULL,
             'has_app', totp_sealed IS NOT NULL, 'passkeys', (SELECT count(*) FROM broadcast.passkeys p WHERE p.user_id = users.id), 'created_at', created_at, 'last_login_at', last_login_at, 'disabled_at', disabled_at,
             'locked_until', locked_until) ORDER BY id), '[]')
         FROM broadcast.users WHERE tenant_id IS NOT DISTINCT FROM $1",
    )
    .bind(tenant)
    .fetch_one(&mut *db)
    .await?;
    Ok(json!({"users": users}))
}

/// Somebody, in a transaction.
async fn find(db: &mut PgConnection, email: &str) -> Result<(i64, Option<TenantId>, String), AdminError> {
    let email = canonical(email)?;
    let found: Option<(i64, Option<i64>)> =
        sqlx::query_as("SELECT id, tenant_id FROM broadcast.users WHERE email = $1 FOR UPDATE")
            .bind(&email)
            .fetch_optional(db)
            .await?;
    let (id, tenant) = found.ok_or(AdminError::UnknownUser)?;
    Ok((id, tenant.map(TenantId), email))
}

/// The next login registers a phone. A trigger ends the sessions.
pub(crate) async fn reset_phone(
    admin: &Admin,
    email: &str,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let (id, tenant, _) = find(&mut tx, email).await?;
    let reset = sqlx::query(
        "UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL WHERE id = $1 AND phone_sealed IS NOT NULL",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    let reset = reset.rows_affected() > 0;
    if reset {
        notify(&mut tx, id, "phone_reset", now).await?;
        note(&mut tx, tenant, "reset_phone", id).await?;
    }
    tx.commit().await?;
    Ok(json!({"id": id, "reset": reset}))
}

/// Ends a lock, and forgets what led to it.
pub(crate) async fn unlock(admin: &Admin, email: &str) -> Result<Value, AdminError> {
    let master = admin.clients.master_key(&admin.master_key_secret).await?;
    let mut tx = admin.store.pool().begin().await?;
    let (id, tenant, email) = find(&mut tx, email).await?;
    sqlx::query("UPDATE broadcast.users SET locked_until = NULL WHERE id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    for (kind, whose) in [(LIMITS_OF_EMAIL, email.as_bytes()), (LIMITS_OF_NUMBER, &id.to_be_bytes())] {
        forget(&mut tx, &master, kind, whose).await?;
    }
    note(&mut tx, tenant, "unlock_user", id).await?;
    tx.commit().await?;
    Ok(json!({"id": id, "unlocked": true}))
}

async fn forget(
    db: &mut PgConnection,
    master: &MasterKey,
    kind: &str,
    whose: &[u8],
) -> Result<(), AdminError> {
    let key = master.tag(Purpose::Limits, &[kind.as_bytes(), whose]);
    sqlx::query("DELETE FROM broadcast.attempts WHERE kind = $1 AND key = $2")
        .bind(kind)
        .bind(&key[..])
        .execute(db)
        .await?;
    Ok(())
}

/// Keeps somebody out. A trigger ends the sessions.
pub(crate) async fn disable(admin: &Admin, email: &str, now: OffsetDateTime) -> Result<Value, AdminError> {
    set_disabled(admin, email, Some(now), "disable_user").await
}

/// Lets somebody in again.
pub(crate) async fn enable(admin: &Admin, email: &str) -> Result<Value, AdminError> {
    set_disabled(admin, email, None, "enable_user").await
}

async fn set_disabled(
    admin: &Admin,
    email: &str,
    at: Option<OffsetDateTime>,
    action: &str,
) -> Result<Value, AdminError> {
    let mut tx = admin.store.pool().begin().await?;
    let (id, tenant, _) = find(&mut tx, email).await?;
    let changed =
        sqlx::query("UPDATE broadcast.users SET disabled_at = $2 WHERE id = $1 AND (disabled_at IS NULL) = ($2::timestamptz IS NOT NULL)")
            .bind(id)
            .bind(at)
            .execute(&mut *tx)
            .await?;
    if changed.rows_affected() > 0 {
        note(&mut tx, tenant, action, id).await?;
    }
    tx.commit().await?;
    Ok(json!({"id": id, "disabled": at.is_some()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_have_no_tenant_and_nobody_else_is_without_one() {
        for (slug, name, expected) in [
            (None, None, Some(Role::Operator)),
            (None, Some("operator"), Some(Role::Operator)),
            (Some("acme"), Some("admin"), Some(Role::Admin)),
            (Some("acme"), Some("viewer"), Some(Role::Viewer)),
            (Some("acme"), None, None),
            (Some("acme"), Some("operator"), None),
            (Some("acme"), Some("root"), None),
            (None, Some("admin"), None),
        ] {
            assert_eq!(role(slug, name).ok(), expected, "{slug:?} {name:?}");
        }
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(canonical(" Ada@Example.ORG ").unwrap(), "ada@example.org");
        for bad in ["", "ada", "ada@", "jörg@example.org", "Ada <ada@example.org>"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
    }
}
