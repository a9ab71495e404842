-- How many mails a tenant may hand over in an hour, and a bucket from which all of its sending draws.
ALTER TABLE broadcast.tenants
    -- NULL: as many as there are.
    ADD COLUMN mails_per_hour integer CHECK (mails_per_hour BETWEEN 1 AND 100000000),
    -- The limit of each day (UTC) from `warm_up_from` on.
    ADD COLUMN warm_up integer[]
        CHECK (cardinality(warm_up) BETWEEN 1 AND 365 AND 1 <= ALL (warm_up) AND 100000000 >= ALL (warm_up) AND array_position(warm_up, NULL) IS NULL),
    ADD COLUMN warm_up_from date,
    ADD CONSTRAINT tenants_warm_up_from_check CHECK ((warm_up IS NULL) = (warm_up_from IS NULL));

-- A tenant without a row has a full bucket.
CREATE TABLE broadcast.pacing (
    tenant_id      bigint PRIMARY KEY REFERENCES broadcast.tenants ON DELETE CASCADE,
    -- What was in it when it was last refilled.
    mails          double precision NOT NULL CHECK (mails >= 0),
    refilled_at    timestamptz NOT NULL,
    -- Until then what flows in is promised to work that waits.
    promised_until timestamptz NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE broadcast.pacing ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.pacing TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT, UPDATE ON broadcast.pacing TO broadcast_tenant;
