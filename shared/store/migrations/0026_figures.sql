-- What lists show of each campaign: sums that are counted now and then, and nothing else.
CREATE TABLE broadcast.figures (
    campaign_id bigint PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    -- NULL: not yet.
    counted_at  timestamptz,
    -- How long counting took: what takes long is counted less often.
    took_ms     integer NOT NULL DEFAULT 0,
    figures     jsonb,
    -- When somebody last had it counted, so that it is not asked for at each look.
    asked_at    timestamptz,
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES broadcast.campaigns (tenant_id, id) ON DELETE CASCADE,
    CHECK ((counted_at IS NULL) = (figures IS NULL))
);
CREATE INDEX ON broadcast.figures (tenant_id);
ALTER TABLE broadcast.figures ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.figures TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT, UPDATE ON broadcast.figures TO broadcast_tenant;
