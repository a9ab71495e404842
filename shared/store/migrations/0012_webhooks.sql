-- Where a tenant wants to be told of events, and each event on its way there. No personal data: ids, states, counts and times.
CREATE TABLE broadcast.webhooks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    url         text NOT NULL CHECK (url LIKE 'https://%' AND length(url) <= 2048),
    events      text[] NOT NULL
                CHECK (cardinality(events) BETWEEN 1 AND 3 AND events <@ ARRAY['import.ended', 'launch.ended', 'export.ready']),
    -- Sealed for the tenant. While a new secret replaces an old one, both sign until then.
    secret_sealed          bytea NOT NULL,
    previous_secret_sealed bytea,
    previous_until         timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- By the tenant, or by the receiver's own answer (410).
    disabled_at timestamptz,
    CHECK ((previous_secret_sealed IS NULL) = (previous_until IS NULL)),
    UNIQUE (tenant_id, id)
);

CREATE TABLE broadcast.webhook_deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    webhook_id  bigint NOT NULL,
    -- The same for all webhooks that are told of one event, and at every attempt.
    event       uuid NOT NULL,
    type        text NOT NULL,
    -- The document that is signed and sent, byte for byte.
    body        text NOT NULL,
    created_at  timestamptz NOT NULL,
    -- When the next attempt is due. Who makes one moves it on first, beyond the end of the attempt: that is its lease.
    due_at      timestamptz,
    attempts    integer NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
    -- Of the last attempt: the HTTP status that came, and what was wrong.
    status      integer,
    problem     text,
    ended_at    timestamptz,
    CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
    CHECK ((state = 'waiting') = (ended_at IS NULL)),
    UNIQUE (webhook_id, event),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES broadcast.webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due ON broadcast.webhook_deliveries (tenant_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_age ON broadcast.webhook_deliveries (tenant_id, created_at);

DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['webhooks', 'webhook_deliveries'] LOOP
        EXECUTE format('ALTER TABLE broadcast.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON broadcast.%I TO broadcast_tenant
                        USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant())', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast.webhooks, broadcast.webhook_deliveries TO broadcast_tenant;
-- Over all tenants: who has something due.
CREATE POLICY app ON broadcast.webhook_deliveries FOR SELECT TO broadcast_app USING (true);
GRANT SELECT (tenant_id, due_at) ON broadcast.webhook_deliveries TO broadcast_app;
