-- The global schema. Run by the function admin as the owner `broadcast_owner`; functions log in as `broadcast_app`.
-- Rows belong to a tenant and are reached as that tenant's role, under row-level security; the few reads and writes over
-- all tenants that functions need as themselves are granted to `broadcast_app` by name below.

CREATE SCHEMA broadcast;

-- What every tenant role may do here stands on one group role; a tenant's own role `tenant_<id>` is a member of it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'broadcast_tenant') THEN
        CREATE ROLE broadcast_tenant NOLOGIN;
    END IF;
END $$;

-- The tenant whose role this transaction has taken with SET LOCAL ROLE; NULL without one. The setting `role` is also seen from within
-- SECURITY DEFINER functions, where current_user is not.
CREATE FUNCTION broadcast.current_tenant() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT substring(current_setting('role') FROM '^tenant_([0-9]+)$')::bigint $$;

CREATE TABLE broadcast.tenants (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug            text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{1,28}[a-z0-9]$'),
    name            text NOT NULL,
    bucket          text NOT NULL UNIQUE,
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleting')),
    incoming_hours  integer NOT NULL DEFAULT 48  CHECK (incoming_hours BETWEEN 1 AND 8760),
    finished_hours  integer NOT NULL DEFAULT 24  CHECK (finished_hours BETWEEN 1 AND 8760),
    invalids_hours  integer NOT NULL DEFAULT 168 CHECK (invalids_hours BETWEEN 1 AND 8760),
    exports_hours   integer NOT NULL DEFAULT 336 CHECK (exports_hours BETWEEN 1 AND 8760),
    campaign_hours  integer NOT NULL DEFAULT 672 CHECK (campaign_hours BETWEEN 1 AND 8760),
    -- A campaign never lives longer than this after its creation, however many launches it has.
    campaign_hours_max integer NOT NULL DEFAULT 2160 CHECK (campaign_hours_max BETWEEN 1 AND 17520),
    export_minutes  integer NOT NULL DEFAULT 15  CHECK (export_minutes BETWEEN 1 AND 1440),
    encrypt_exports boolean NOT NULL DEFAULT false,
    sftp_password_hash text,
    exported_at     timestamptz NOT NULL DEFAULT '-infinity',
    swept_at        timestamptz NOT NULL DEFAULT '-infinity',
    -- When the File Exchange was last listed whole, to repair its index.
    listed_at       timestamptz NOT NULL DEFAULT '-infinity',
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE broadcast.ssh_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    fingerprint text NOT NULL,
    public_key  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    UNIQUE (tenant_id, fingerprint)
);

CREATE TABLE broadcast.api_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    prefix      text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz
);

-- `own`: the tenant's Broadcast key pair, its private half in Secrets Manager; `recipient`: a key to which exports are encrypted;
-- `signer`: a key with which the tenant signs its uploads.
CREATE TABLE broadcast.pgp_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    purpose     text NOT NULL CHECK (purpose IN ('own', 'recipient', 'signer')),
    fingerprint text NOT NULL,
    public_key  text NOT NULL,
    secret_name text CHECK ((secret_name IS NOT NULL) = (purpose = 'own')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    retired_at  timestamptz,
    UNIQUE (tenant_id, purpose, fingerprint)
);

-- A domain has one tenant. It may send once its ownership is confirmed.
CREATE TABLE broadcast.sender_domains (
    domain       text PRIMARY KEY,
    tenant_id    bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    selector_rsa text NOT NULL,
    selector_ed25519 text NOT NULL,
    secret_name  text NOT NULL,
    confirmed_at timestamptz,
    confirmed_by text,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON broadcast.sender_domains (tenant_id);

CREATE TABLE broadcast.import_profiles (
    tenant_id  bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    name       text NOT NULL,
    profile    jsonb NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE broadcast.campaigns (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'deleting', 'deleted')),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When the last launch ended: a lifetime starts here, or at the creation without a launch.
    ended_at   timestamptz,
    deleted_at timestamptz,
    -- Counts only: what stays of the accounting when the data is deleted.
    totals     jsonb,
    exported_seq bigint NOT NULL DEFAULT 0,
    UNIQUE (tenant_id, id)
);
-- A deleted campaign's name may be used again.
CREATE UNIQUE INDEX campaigns_name_key ON broadcast.campaigns (tenant_id, name) WHERE state <> 'deleted';

-- Templates are frozen once written; the newest version is the campaign's.
CREATE TABLE broadcast.templates (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    version     integer NOT NULL,
    from_name   text NOT NULL,
    from_address text NOT NULL,
    subject     text NOT NULL,
    html        text NOT NULL,
    text        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (campaign_id, version),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE
);

-- The index of the File Exchange: what sweep reads. A file is folder, name and ETag.
CREATE TABLE broadcast.files (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    folder      text NOT NULL CHECK (folder IN ('Incoming', 'Finished', 'Invalids', 'Exports')),
    name        text NOT NULL,
    etag        text NOT NULL,
    size        bigint NOT NULL,
    arrived_at  timestamptz NOT NULL,
    -- An import reads it: sweep leaves it alone until then.
    leased_until timestamptz,
    UNIQUE (tenant_id, folder, name)
);
CREATE INDEX files_age ON broadcast.files (tenant_id, folder, arrived_at);

CREATE TABLE broadcast.imports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    campaign_id bigint,
    -- waiting -> running -> published -> finished (file moved, launch started) | refused (file in Invalids)
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'published', 'refusing', 'finished', 'refused')),
    call        jsonb NOT NULL,
    -- The file below Incoming, and which content of it: an overwrite is another file.
    file_name   text NOT NULL,
    etag        text NOT NULL,
    -- The same content of the same name may be uploaded again later; the same event delivered twice has the same time.
    uploaded_at timestamptz NOT NULL,
    -- Which content of the control file asked for it: that one is removed at the end. NULL: the API did.
    control_etag text,
    header      text[],
    key_column  integer,
    lease_until timestamptz,
    bytes_total bigint NOT NULL DEFAULT 0,
    bytes_done  bigint NOT NULL DEFAULT 0,
    rows        bigint NOT NULL DEFAULT 0,
    imported    bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    -- Imported rows whose address stands in an earlier row of this import or in an earlier import of the campaign.
    duplicates  bigint NOT NULL DEFAULT 0,
    sha256      text,
    reason_code text,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    UNIQUE (tenant_id, file_name, etag, uploaded_at),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ON broadcast.imports (campaign_id);

CREATE TABLE broadcast.launches (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    template_id bigint NOT NULL REFERENCES broadcast.templates,
    state       text NOT NULL DEFAULT 'preparing' CHECK (state IN ('preparing', 'running', 'done', 'failed')),
    slices      integer,
    -- An import that launches by itself does so once, however often its message is delivered.
    import_id   bigint UNIQUE REFERENCES broadcast.imports,
    reason_code text,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX launches_open ON broadcast.launches (state) WHERE state IN ('preparing', 'running');

-- An export is planned (its bounds are fixed), written, recorded: a crash between repeats the same bounds and the same file.
CREATE TABLE broadcast.exports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    seq_from    bigint NOT NULL,      -- exclusive
    seq_to      bigint NOT NULL,      -- inclusive
    state       text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'written')),
    rows        bigint,
    files       jsonb,
    planned_at  timestamptz NOT NULL,
    written_at  timestamptz,
    UNIQUE (campaign_id, seq_from),
    CHECK (seq_to > seq_from),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE
);

-- Keyed digests, never addresses. They outlive every campaign.
CREATE TABLE broadcast.suppressions (
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    address_key bytea NOT NULL CHECK (length(address_key) = 16),
    reason      text NOT NULL CHECK (reason IN ('unsubscribed', 'complained', 'bounced', 'manual')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, address_key)
);

-- What was deleted, how many, under which rule, when; chained by digest per tenant. No personal data, no file names.
CREATE TABLE broadcast.receipts (
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    number      bigint NOT NULL,
    at          timestamptz NOT NULL,
    what        text NOT NULL,
    ids         bigint[] NOT NULL,
    count       bigint NOT NULL,
    rule        text NOT NULL,
    previous    bytea NOT NULL,
    digest      bytea NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

CREATE TABLE broadcast.audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint REFERENCES broadcast.tenants ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    action      text NOT NULL,
    subject     text,
    source      text,
    bytes       bigint,
    result      text NOT NULL
);
CREATE INDEX ON broadcast.audit (tenant_id, at);

-- Row-level security: as a tenant's role, that tenant's rows alone.
ALTER TABLE broadcast.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.tenants TO broadcast_tenant USING (id = broadcast.current_tenant());
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['ssh_keys', 'api_keys', 'pgp_keys', 'sender_domains', 'import_profiles', 'campaigns', 'templates',
                             'files', 'imports', 'launches', 'exports', 'suppressions', 'receipts', 'audit'] LOOP
        EXECUTE format('ALTER TABLE broadcast.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON broadcast.%I TO broadcast_tenant
                        USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant())', t);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA broadcast TO broadcast_tenant, broadcast_app;
GRANT SELECT ON broadcast.tenants, broadcast.ssh_keys, broadcast.api_keys, broadcast.pgp_keys, broadcast.sender_domains TO broadcast_tenant;
GRANT UPDATE (exported_at, swept_at, listed_at) ON broadcast.tenants TO broadcast_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast.import_profiles, broadcast.files TO broadcast_tenant;
GRANT SELECT, INSERT, UPDATE ON broadcast.campaigns, broadcast.imports, broadcast.launches, broadcast.exports TO broadcast_tenant;
GRANT DELETE ON broadcast.imports, broadcast.launches TO broadcast_tenant;
GRANT SELECT, INSERT, DELETE ON broadcast.templates TO broadcast_tenant;
GRANT SELECT, INSERT, DELETE ON broadcast.suppressions TO broadcast_tenant;
-- Receipts and audit lines are written, read, never changed.
GRANT SELECT, INSERT ON broadcast.receipts, broadcast.audit TO broadcast_tenant;

-- What functions read as themselves, over all tenants: who logs in, whose bucket an event names, what is due.
CREATE POLICY app ON broadcast.tenants  FOR SELECT TO broadcast_app USING (true);
CREATE POLICY app ON broadcast.ssh_keys FOR SELECT TO broadcast_app USING (true);
CREATE POLICY app ON broadcast.api_keys FOR SELECT TO broadcast_app USING (true);
CREATE POLICY app ON broadcast.launches FOR SELECT TO broadcast_app USING (true);
CREATE POLICY app ON broadcast.audit    FOR INSERT TO broadcast_app WITH CHECK (true);
GRANT SELECT ON broadcast.tenants, broadcast.ssh_keys, broadcast.api_keys, broadcast.launches TO broadcast_app;
GRANT INSERT ON broadcast.audit TO broadcast_app;

-- The schema of a campaign: made and dropped through these two, which check whose campaign it is. The owner alone may create in the
-- database; the schema then belongs to the tenant's role.
CREATE FUNCTION broadcast.open_campaign_schema(campaign bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE tenant bigint := broadcast.current_tenant();
BEGIN
    PERFORM FROM broadcast.campaigns WHERE id = campaign AND tenant_id = tenant AND state = 'open';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'campaign % is not open for this tenant', campaign USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', 'campaign_' || campaign, 'tenant_' || tenant);
END $$;
REVOKE EXECUTE ON FUNCTION broadcast.open_campaign_schema FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broadcast.open_campaign_schema TO broadcast_tenant;
