//! A tenant as an operator sees it: settings, fingerprints, names of secrets. Nothing here is secret.

use serde_json::{Value, json};

use crate::{Admin, AdminError, secret, tenant::Tenant};

/// What `tenant`, `create_tenant` and `set_tenant` answer.
pub(crate) async fn tenant(admin: &Admin, slug: &str) -> Result<Value, AdminError> {
    let mut db = admin.store.pool().acquire().await?;
    let tenant = Tenant::load(&mut db, slug).await?;
    let mut answer: Value = sqlx::query_scalar(
        "SELECT jsonb_build_object(
             'id', t.id, 'slug', t.slug, 'name', t.name, 'bucket', t.bucket, 'status', t.status,
             'settings', jsonb_build_object(
                 'incoming_hours', incoming_hours, 'finished_hours', finished_hours, 'invalids_hours', invalids_hours,
                 'exports_hours', exports_hours, 'campaign_hours', campaign_hours, 'campaign_hours_max', campaign_hours_max, 'cancelled_hours', cancelled_hours, 'audit_days', audit_days,
                 'second_factor', second_factor, 'totp_allowed', totp_allowed, 'passkeys_allowed', passkeys_allowed, 'text_countries', text_countries, 'texts_per_day', texts_per_day,
                 'export_minutes', export_minutes, 'encrypt_exports', encrypt_exports, 'export_columns', export_columns,
                 'export_empty', export_empty, 'soft_bounces_max', soft_bounces_max, 'soft_bounce_days', soft_bounce_days, 'sftp_both', sftp_both, 'signature_required', signature_required,
                 'mails_per_hour', mails_per_hour, 'warm_up', warm_up, 'warm_up_from', warm_up_from),
             'ssh_keys', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                     'fingerprint', fingerprint, 'expires_at', expires_at, 'sources', sources::text[]) ORDER BY id), '[]')
                          FROM broadcast.ssh_keys WHERE tenant_id = t.id),
             'pgp_keys', (SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', purpose, 'fingerprint', fingerprint, 'created_at', created_at) ORDER BY id), '[]')
                          FROM broadcast.pgp_keys WHERE tenant_id = t.id AND retired_at IS NULL),
             'pgp_public_key', (SELECT public_key FROM broadcast.pgp_keys
                                WHERE tenant_id = t.id AND purpose = 'own' AND retired_at IS NULL ORDER BY id DESC LIMIT 1),
             'sender_domains', (SELECT coalesce(jsonb_agg(jsonb_build_object('domain', domain, 'confirmed', confirmed_at IS NOT NULL)
                                                          ORDER BY domain), '[]')
                                FROM broadcast.sender_domains WHERE tenant_id = t.id))
         FROM broadcast.tenants t WHERE t.id = $1",
    )
    .bind(tenant.id().0)
    .fetch_one(&mut *db)
    .await?;
    answer["sftp_password_secret"] = json!(secret::sftp_password(&admin.deployment, slug));
    answer["api_key_secret"] = json!(secret::api_key(&admin.deployment, slug));
    Ok(answer)
}
