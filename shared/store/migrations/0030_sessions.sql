-- A tenant's admins end sessions of their people; no token's hash is theirs to see.
CREATE POLICY own ON broadcast.sessions TO broadcast_tenant
    USING (user_id IN (SELECT id FROM broadcast.users WHERE tenant_id = broadcast.current_tenant()));
GRANT SELECT (id, user_id, created_at), DELETE ON broadcast.sessions TO broadcast_tenant;
