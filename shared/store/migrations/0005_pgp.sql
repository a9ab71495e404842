-- Whether every file of the tenant must be signed by one of its `signer` keys. Until now such a key alone demanded it.
ALTER TABLE broadcast.tenants ADD COLUMN signature_required boolean NOT NULL DEFAULT false;
UPDATE broadcast.tenants t SET signature_required = true
WHERE EXISTS (SELECT FROM broadcast.pgp_keys k WHERE k.tenant_id = t.id AND k.purpose = 'signer' AND k.retired_at IS NULL);
