//! Tenants: made step by step, each step looking at what is there, so that a half-made tenant is finished by the same command.

use access::SshKey;
use contract::TenantId;
use exchange::Retention;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    Admin, AdminError, Settings, Status, TenantSpec, audit, bucket, key, login, pacing, pgp, show, stopping,
};

/// What the steps need to know of a tenant.
#[derive(sqlx::FromRow)]
pub(crate) struct Tenant {
    id: i64,
    pub(crate) slug: String,
    pub(crate) bucket: String,
    status: String,
    incoming_hours: i32,
    finished_hours: i32,
    invalids_hours: i32,
    exports_hours: i32,
    pub(crate) has_password: bool,
}

impl Tenant {
    /// Loads it by its slug.
    pub(crate) async fn load(db: &mut PgConnection, slug: &str) -> Result<Self, AdminError> {
        sqlx::query_as(
            "SELECT id, slug, bucket, status, incoming_hours, finished_hours, invalids_hours, exports_hours,
                    sftp_password_hash IS NOT NULL AS has_password
             FROM broadcast.tenants WHERE slug = $1",
        )
        .bind(slug)
        .fetch_optional(db)
        .await?
        .ok_or(AdminError::UnknownTenant)
    }

    pub(crate) fn id(&self) -> TenantId {
        TenantId(self.id)
    }

    /// Refuses a tenant whose deletion has begun.
    fn must_stay(&self) -> Result<(), AdminError> {
        if matches!(self.status.as_str(), "deleting" | "ending") {
            Err(AdminError::TenantEnds)
        } else {
            Ok(())
        }
    }

    fn retention(&self) -> Retention {
        Retention {
            incoming_hours: self.incoming_hours,
            finished_hours: self.finished_hours,
            invalids_hours: self.invalids_hours,
            exports_hours: self.exports_hours,
        }
    }
}

/// Makes a tenant, or finishes one. The row comes first and is what the other steps hang on; it has no role until the second step, and
/// nobody can log in before the last ones.
pub(crate) async fn create(
    admin: &Admin,
    spec: &TenantSpec,
    now: OffsetDateTime,
) -> Result<Value, AdminError> {
    // What the operator can have mistyped is refused before anything is made.
    for line in &spec.ssh_keys {
        SshKey::parse(line)?;
    }
    let mut db = admin.store.pool().acquire().await?;
    insert(admin, &mut db, spec).await?;
    let tenant = Tenant::load(&mut db, &spec.slug).await?;
    tenant.must_stay()?;
    store::roles::create(&mut db, tenant.id()).await?;
    bucket::put(admin, &tenant.bucket, &tenant.retention()).await?;
    pgp::ensure(admin, &mut db, &tenant, now).await?;
    key::ensure_api_key(admin, &mut db, &tenant).await?;
    login::ensure_password(admin, &mut db, &tenant).await?;
    for line in &spec.ssh_keys {
        login::insert_key(&mut db, tenant.id(), line).await?;
    }
    drop(db);
    show::tenant(admin, &spec.slug).await
}

async fn insert(admin: &Admin, db: &mut PgConnection, spec: &TenantSpec) -> Result<(), AdminError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT id FROM broadcast.tenants WHERE slug = $1")
        .bind(&spec.slug)
        .fetch_optional(&mut *db)
        .await?;
    if known.is_some() {
        return Ok(());
    }
    let name = spec.name.as_deref().filter(|name| !name.is_empty()).ok_or(AdminError::NameMissing)?;
    let mut tx = sqlx::Connection::begin(&mut *db).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ($1, $2, $3) RETURNING id",
    )
    .bind(&spec.slug)
    .bind(name)
    .bind(format!("{}-{}", admin.deployment, spec.slug))
    .fetch_one(&mut *tx)
    .await?;
    update(&mut tx, TenantId(id), None, spec.settings()).await?;
    pacing::set(&mut tx, TenantId(id), spec).await?;
    audit::note(&mut tx, TenantId(id), "create_tenant", None).await?;
    tx.commit().await?;
    Ok(())
}

/// Changes what is given.
pub(crate) async fn set(admin: &Admin, spec: &TenantSpec, now: OffsetDateTime) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let before = Tenant::load(&mut db, &spec.slug).await?;
    before.must_stay()?;
    let mut tx = sqlx::Connection::begin(&mut *db).await?;
    update(&mut tx, before.id(), spec.name.as_deref(), spec.settings()).await?;
    pacing::set(&mut tx, before.id(), spec).await?;
    for line in &spec.ssh_keys {
        login::insert_key(&mut tx, before.id(), line).await?;
    }
    audit::note(&mut tx, before.id(), "set_tenant", None).await?;
    tx.commit().await?;
    let after = Tenant::load(&mut db, &spec.slug).await?;
    bucket::put_lifecycle(admin, &after.bucket, &after.retention()).await?;
    if spec.status == Some(Status::Suspended) {
        stopping::stop_launches(admin, &mut db, after.id(), now).await?;
    }
    drop(db);
    show::tenant(admin, &spec.slug).await
}

async fn update(
    db: &mut PgConnection,
    tenant: TenantId,
    name: Option<&str>,
    settings: Settings,
) -> Result<(), AdminError> {
    let [incoming, finished, invalids, exports, campaign, campaign_max, cancelled] = settings.hours;
    sqlx::query(
        "UPDATE broadcast.tenants SET
             name = coalesce($2, name), status = CASE WHEN status IN ('active', 'suspended') THEN coalesce($3, status) ELSE status END,
             incoming_hours = coalesce($4, incoming_hours), finished_hours = coalesce($5, finished_hours),
             invalids_hours = coalesce($6, invalids_hours), exports_hours = coalesce($7, exports_hours),
             campaign_hours = coalesce($8, campaign_hours), campaign_hours_max = coalesce($9, campaign_hours_max),
             export_minutes = coalesce($10, export_minutes), encrypt_exports = coalesce($11, encrypt_exports),
             sftp_both = coalesce($12, sftp_both), signature_required = coalesce($13, signature_required),
             export_columns = coalesce($14, export_columns), export_empty = coalesce($15, export_empty),
             soft_bounces_max = coalesce($16, soft_bounces_max), soft_bounce_days = coalesce($17, soft_bounce_days),
             audit_days = coalesce($18, audit_days), cancelled_hours = coalesce($19, cancelled_hours),
             second_factor = coalesce($20, second_factor), totp_allowed = coalesce($21, totp_allowed),
             text_countries = coalesce($22, text_countries), texts_per_day = coalesce($23, texts_per_day),
             passkeys_allowed = coalesce($24, passkeys_allowed)
         WHERE id = $1",
    )
    .bind(tenant.0)
    .bind(name)
    .bind(settings.status.map(crate::Status::name))
    .bind(incoming)
    .bind(finished)
    .bind(invalids)
    .bind(exports)
    .bind(campaign)
    .bind(campaign_max)
    .bind(settings.export_minutes)
    .bind(settings.encrypt_exports)
    .bind(settings.sftp_both)
    .bind(settings.signature_required)
    .bind(settings.export_columns)
    .bind(settings.export_empty)
    .bind(settings.soft_bounces_max)
    .bind(settings.soft_bounce_days)
    .bind(settings.audit_days)
    .bind(cancelled)
    .bind(settings.second_factor)
    .bind(settings.totp_allowed)
    .bind(settings.text_countries)
    .bind(settings.texts_per_day)
    .bind(settings.passkeys_allowed)
    .execute(db)
    .await?;
    Ok(())
}
