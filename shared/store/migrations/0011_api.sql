-- The HTTP API: keys with scopes, answers that are kept for repeated requests, versions of what two may edit.

-- `scopes` as access::Scope spells them. A key from before has all of them.
ALTER TABLE broadcast.api_keys
    ADD COLUMN name text NOT NULL DEFAULT '' CHECK (length(name) <= 100),
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{campaigns:read,campaigns:write,imports:write,launches:write,exports:write,recipients:read,recipients:erase,suppressions:read,suppressions:write,account:read,keys:write,webhooks:write}'
        CHECK (cardinality(scopes) BETWEEN 1 AND 32),
    -- Where it may come from. NULL: from anywhere.
    ADD COLUMN sources cidr[] CHECK (cardinality(sources) BETWEEN 1 AND 32),
    ADD COLUMN requests_per_minute integer NOT NULL DEFAULT 3000 CHECK (requests_per_minute BETWEEN 1 AND 1000000),
    ADD COLUMN last_used_at timestamptz,
    -- The key that took its place: both are valid until this one expires.
    ADD COLUMN replaced_by bigint REFERENCES broadcast.api_keys ON DELETE SET NULL,
    -- Requests that were drawn in the minute that began then, by all instances of the function.
    ADD COLUMN minute timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN drawn integer NOT NULL DEFAULT 0;
ALTER TABLE broadcast.api_keys ALTER COLUMN scopes DROP DEFAULT;
CREATE INDEX ON broadcast.api_keys (tenant_id);
GRANT INSERT, DELETE, UPDATE (name, expires_at, replaced_by) ON broadcast.api_keys TO broadcast_tenant;
CREATE POLICY draw ON broadcast.api_keys FOR UPDATE TO broadcast_app USING (true);
GRANT UPDATE (last_used_at, minute, drawn) ON broadcast.api_keys TO broadcast_app;

-- What was answered to a POST with an Idempotency-Key, written in the transaction that did what the request asked for: a request that
-- broke off before its end left no row and may be sent again.
CREATE TABLE broadcast.answers (
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, path and body.
    request     bytea NOT NULL CHECK (length(request) = 32),
    status      integer NOT NULL,
    location    text,
    etag        text,
    -- Sealed: an answer may show a new secret.
    body        bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX answers_age ON broadcast.answers (tenant_id, created_at);
ALTER TABLE broadcast.answers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.answers TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT, DELETE, UPDATE ON broadcast.answers TO broadcast_tenant;

-- Counts changes: an editor's If-Match names the one that was read.
ALTER TABLE broadcast.campaigns ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE broadcast.import_profiles ADD COLUMN version integer NOT NULL DEFAULT 1;
-- The tenant asked for the end of the campaign: its lifetime ends here.
ALTER TABLE broadcast.campaigns ADD COLUMN delete_asked_at timestamptz;

-- The records that the domain's owner has to publish: [{name, type, value}]. NULL: the domain is from before; adding it again fills them in.
ALTER TABLE broadcast.sender_domains ADD COLUMN dns_records jsonb;
