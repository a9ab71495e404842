-- People whom a customer wants erased: by the digest of their address, which goes as well when nothing of them is left.
CREATE TABLE broadcast.erasures (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    address_key bytea CHECK (length(address_key) = 16),
    asked_at    timestamptz NOT NULL,
    done_at     timestamptz,
    -- Rows of imports and of seed lists that were deleted, and mails that became nobody's.
    rows        bigint NOT NULL DEFAULT 0,
    mails       bigint NOT NULL DEFAULT 0,
    CHECK ((address_key IS NULL) = (done_at IS NOT NULL))
);
CREATE UNIQUE INDEX erasures_open ON broadcast.erasures (tenant_id, address_key) WHERE address_key IS NOT NULL;

-- Campaigns that are kept beyond their lifetime: legal holds. An operator makes and ends them; they stay on the record.
CREATE TABLE broadcast.holds (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    held_at     timestamptz NOT NULL,
    held_by     text NOT NULL,
    released_at timestamptz,
    released_by text,
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX holds_one ON broadcast.holds (campaign_id) WHERE released_at IS NULL;

DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['erasures', 'holds'] LOOP
        EXECUTE format('ALTER TABLE broadcast.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON broadcast.%I TO broadcast_tenant
                        USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant())', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON broadcast.erasures TO broadcast_tenant;
-- No function of a tenant makes a hold or ends one.
GRANT SELECT ON broadcast.holds TO broadcast_tenant;

-- Addresses of the import that were erased before a launch took them up: no other row is theirs.
ALTER TABLE broadcast.imports ADD COLUMN erased bigint NOT NULL DEFAULT 0;
-- When everything of the launch in the spool was deleted. NULL: not yet.
ALTER TABLE broadcast.launches ADD COLUMN spool_emptied_at timestamptz;
CREATE INDEX launches_spool ON broadcast.launches (tenant_id, ended_at) WHERE spool_emptied_at IS NULL;

-- The end of a tenant: `deleting`, while sweep deletes its data; `ending`, while an operator's command deletes the rest, and sweep stays away.
ALTER TABLE broadcast.tenants
    DROP CONSTRAINT tenants_status_check,
    ADD CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'deleting', 'ending'));
-- What stays of one: its receipts, and this.
CREATE TABLE broadcast.deleted_tenants (
    id          bigint PRIMARY KEY,
    slug        text NOT NULL,
    deleted_at  timestamptz NOT NULL,
    deleted_by  text NOT NULL
);
CREATE INDEX deleted_tenants_slug ON broadcast.deleted_tenants (slug);
ALTER TABLE broadcast.receipts DROP CONSTRAINT receipts_tenant_id_fkey;

-- How long audit lines are kept. Nobody deletes them but by this function, and no line before its time; without a tenant's role it is about the
-- lines that are no tenant's.
ALTER TABLE broadcast.tenants ADD COLUMN audit_days integer NOT NULL DEFAULT 400 CHECK (audit_days BETWEEN 30 AND 3650);
CREATE FUNCTION broadcast.forget_audit() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH forgotten AS (
        DELETE FROM broadcast.audit WHERE id IN (
            SELECT id FROM broadcast.audit WHERE tenant_id IS NOT DISTINCT FROM broadcast.current_tenant() AND at <= now() - make_interval(
                days => coalesce((SELECT audit_days FROM broadcast.tenants WHERE id = broadcast.current_tenant()), 400))
            -- The next call has the others.
            ORDER BY at LIMIT 50000)
        RETURNING 1)
    SELECT count(*) FROM forgotten $$;
REVOKE EXECUTE ON FUNCTION broadcast.forget_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broadcast.forget_audit TO broadcast_tenant, broadcast_app;
