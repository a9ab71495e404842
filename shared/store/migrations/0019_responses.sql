-- Soft bounces by address, whatever campaign they were of: after so many within so many days an address is mailed no more. Digests, never
-- addresses; sweep forgets what is older.
CREATE TABLE broadcast.soft_bounces (
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    address_key bytea NOT NULL CHECK (length(address_key) = 16),
    -- The response's.
    event_id    uuid NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, address_key, event_id)
);
CREATE INDEX soft_bounces_at ON broadcast.soft_bounces (tenant_id, at);
ALTER TABLE broadcast.soft_bounces ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.soft_bounces TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT, DELETE ON broadcast.soft_bounces TO broadcast_tenant;

ALTER TABLE broadcast.tenants
    -- 0: soft bounces never suppress.
    ADD COLUMN soft_bounces_max integer NOT NULL DEFAULT 5 CHECK (soft_bounces_max BETWEEN 0 AND 100),
    ADD COLUMN soft_bounce_days integer NOT NULL DEFAULT 30 CHECK (soft_bounce_days BETWEEN 1 AND 365),
    -- The columns of its exports, in their order.
    ADD COLUMN export_columns text[] NOT NULL DEFAULT '{time,type,recipient_key,address,link,class,diagnostic,actor}'
        CHECK (cardinality(export_columns) BETWEEN 1 AND 13
               AND export_columns <@ '{time,type,recipient_key,address,link,class,diagnostic,actor,campaign,import,line,template_version,response}'),
    -- Whether an export has a file for each kind of response, also where nothing of that kind came back.
    ADD COLUMN export_empty boolean NOT NULL DEFAULT false;

-- An export without rows begins where the next one does.
ALTER TABLE broadcast.exports
    DROP CONSTRAINT exports_campaign_id_seq_from_key,
    DROP CONSTRAINT exports_check,
    ADD CONSTRAINT exports_range CHECK (seq_to >= seq_from);
CREATE UNIQUE INDEX exports_seq_from ON broadcast.exports (campaign_id, seq_from) WHERE seq_to > seq_from;

-- It reads the role alone, which parallel workers have, too: without this no query over rows that it guards is ever divided among them.
ALTER FUNCTION broadcast.current_tenant() PARALLEL SAFE;
