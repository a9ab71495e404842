-- The newest receipt whose head is kept outside of the database (`sweep`). 0: none yet.
ALTER TABLE broadcast.tenants
    ADD COLUMN anchored_receipt bigint NOT NULL DEFAULT 0 CHECK (anchored_receipt >= 0);
GRANT UPDATE (anchored_receipt) ON broadcast.tenants TO broadcast_tenant;
