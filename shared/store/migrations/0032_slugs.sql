-- A tenant's bucket has its slug behind the deployment's name, as the common buckets have theirs: nobody may be called as one of these.
ALTER TABLE broadcast.tenants ADD CONSTRAINT tenants_slug_common_check
    CHECK (slug NOT IN ('spool', 'reports', 'settings', 'anchors', 'journal'));
