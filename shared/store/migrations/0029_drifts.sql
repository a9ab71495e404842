-- Buckets whose lifecycle rules were not as the settings ask for, each time that `sweep` found one and put it right.
CREATE TABLE broadcast.drifts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    -- NULL: a bucket of all tenants.
    tenant_id   bigint REFERENCES broadcast.tenants ON DELETE CASCADE,
    bucket      text NOT NULL
);
ALTER TABLE broadcast.drifts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.drifts FOR INSERT TO broadcast_tenant WITH CHECK (tenant_id = broadcast.current_tenant());
CREATE POLICY app ON broadcast.drifts TO broadcast_app USING (true) WITH CHECK (true);
GRANT INSERT ON broadcast.drifts TO broadcast_tenant;
GRANT SELECT, INSERT, DELETE ON broadcast.drifts TO broadcast_app;
