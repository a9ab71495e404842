-- A tenant's own people add and remove what logs in to the File Exchange, and read the audit. Not our own OpenPGP keys: their secrets are kept
-- elsewhere, and the operator makes and retires both halves.
GRANT INSERT, DELETE, UPDATE (expires_at, sources) ON broadcast.ssh_keys TO broadcast_tenant;
GRANT INSERT, DELETE, UPDATE (public_key, retired_at) ON broadcast.pgp_keys TO broadcast_tenant;
CREATE POLICY no_own_made ON broadcast.pgp_keys AS RESTRICTIVE FOR INSERT TO broadcast_tenant WITH CHECK (purpose <> 'own');
CREATE POLICY no_own_changed ON broadcast.pgp_keys AS RESTRICTIVE FOR UPDATE TO broadcast_tenant USING (purpose <> 'own');
CREATE POLICY no_own_removed ON broadcast.pgp_keys AS RESTRICTIVE FOR DELETE TO broadcast_tenant USING (purpose <> 'own');
GRANT UPDATE (sftp_password_hash) ON broadcast.tenants TO broadcast_tenant;
-- Pages of the audit go from the newest line to the oldest.
CREATE INDEX audit_pages ON broadcast.audit (tenant_id, id DESC);
