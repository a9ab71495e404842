-- Uploads that broke off, or that have parts in S3 already: what the tenant sees of them and how they go on. Made by the gateway, no row
-- for a file that is closed before its first part is full. Nothing of an upload is an object before it is complete.
CREATE TABLE broadcast.uploads (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    -- Below Incoming, as the client sees it. A rename changes it alone: a multipart upload keeps the key that it was begun with.
    name        text NOT NULL,
    begun_as    text NOT NULL,
    -- NULL: all of it is the tail.
    upload_id   text,
    -- Bytes that are kept: whole parts, and the tail, which stands sealed in the spool under this row's id.
    size        bigint NOT NULL CHECK (size >= tail_bytes),
    tail_bytes  bigint NOT NULL DEFAULT 0 CHECK (tail_bytes >= 0),
    -- The open handle that writes it. NULL: nobody does.
    holder      uuid,
    started_at  timestamptz NOT NULL DEFAULT now(),
    -- Retention counts from here.
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);
CREATE INDEX uploads_age ON broadcast.uploads (tenant_id, updated_at);

ALTER TABLE broadcast.uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.uploads TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast.uploads TO broadcast_tenant;
