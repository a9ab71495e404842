-- Passkeys: a second factor in the place of a text, where the tenant allows it.

ALTER TABLE broadcast.tenants
    -- Whether passkeys may take the place of texts. Operators have no such choice: they may.
    ADD COLUMN passkeys_allowed boolean NOT NULL DEFAULT false;

CREATE TABLE broadcast.passkeys (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    -- The authenticator's name of it (WebAuthn, 6.1): of one user, over all tenants.
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    -- As the library keeps it: a public key, and what the authenticator said of itself. Nothing of it is secret.
    credential    jsonb NOT NULL,
    -- The newest that was shown: what does not count on is a copy (WebAuthn, 7.2). 0: an authenticator that does not count.
    sign_count    bigint NOT NULL DEFAULT 0 CHECK (sign_count >= 0),
    -- As the person calls it.
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX ON broadcast.passkeys (user_id);

-- What an authenticator was asked and has not answered yet: by a half login, or by somebody logged in who adds a passkey. It is taken out to be judged,
-- so it is judged once; another one takes its place; it goes with what it belongs to.
CREATE TABLE broadcast.ceremonies (
    challenge_id bigint UNIQUE REFERENCES broadcast.challenges ON DELETE CASCADE,
    session_id   bigint UNIQUE REFERENCES broadcast.sessions ON DELETE CASCADE,
    state        jsonb NOT NULL,
    ends_at      timestamptz NOT NULL,
    CHECK (num_nonnulls(challenge_id, session_id) = 1)
);
CREATE INDEX ON broadcast.ceremonies (ends_at);

-- No tenant's role reaches either: people manage their own.
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['passkeys', 'ceremonies'] LOOP
        EXECUTE format('ALTER TABLE broadcast.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY app ON broadcast.%I TO broadcast_app USING (true)', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast.passkeys, broadcast.ceremonies TO broadcast_app;

ALTER TABLE broadcast.notices DROP CONSTRAINT notices_kind_check,
    ADD CONSTRAINT notices_kind_check
    CHECK (kind IN ('invitation', 'password_link', 'password_changed', 'new_phone', 'phone_reset', 'new_totp', 'totp_ended', 'new_passkey', 'passkey_removed',
                    'new_recovery_codes', 'recovery_code_used', 'locked', 'new_login'));

-- A passkey that is removed ends what it may have opened, and does not come back with an older copy of the database.
CREATE FUNCTION broadcast.end_passkey() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM broadcast.sessions WHERE user_id = OLD.user_id;
    DELETE FROM broadcast.challenges WHERE user_id = OLD.user_id;
    -- One that goes with its user needs no entry of its own.
    INSERT INTO broadcast.journal (tenant_id, entry)
    SELECT coalesce(tenant_id, 0), jsonb_build_object('entry', 'user_passkey_ended', 'tenant_id', coalesce(tenant_id, 0), 'id', id,
                                                      'credential_id', encode(OLD.credential_id, 'hex'))
    FROM broadcast.users WHERE id = OLD.user_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_passkey AFTER DELETE ON broadcast.passkeys FOR EACH ROW EXECUTE FUNCTION broadcast.end_passkey();

-- As before; and a phone that is reset takes the app and the passkeys along.
CREATE OR REPLACE FUNCTION broadcast.end_rights() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entries text[] := '{}';
    owner bigint := coalesce(OLD.tenant_id, 0);
BEGIN
    IF TG_OP = 'DELETE' THEN
        entries := '{user_ended}';
    ELSE
        IF NEW.disabled_at IS NOT NULL AND OLD.disabled_at IS NULL THEN
            entries := entries || 'user_disabled'::text;
        END IF;
        IF NEW.role <> OLD.role THEN
            entries := entries || 'user_role'::text;
        END IF;
        IF OLD.password_hash IS NOT NULL AND NEW.password_hash IS DISTINCT FROM OLD.password_hash THEN
            entries := entries || 'user_password_ended'::text;
        END IF;
        IF OLD.phone_sealed IS NOT NULL AND NEW.phone_sealed IS DISTINCT FROM OLD.phone_sealed THEN
            entries := entries || 'user_phone_ended'::text;
        END IF;
        IF OLD.totp_sealed IS NOT NULL AND NEW.totp_sealed IS DISTINCT FROM OLD.totp_sealed THEN
            entries := entries || 'user_totp_ended'::text;
        END IF;
        -- Whoever has lost the phone has lost what is on it. Another number of the same person takes nothing away.
        IF OLD.phone_sealed IS NOT NULL AND NEW.phone_sealed IS NULL THEN
            DELETE FROM broadcast.passkeys WHERE user_id = NEW.id;
            UPDATE broadcast.users SET totp_sealed = NULL, totp_since = NULL, totp_step = NULL WHERE id = NEW.id AND totp_sealed IS NOT NULL;
        END IF;
        IF entries <> '{}' THEN
            DELETE FROM broadcast.sessions WHERE user_id = NEW.id;
            DELETE FROM broadcast.challenges WHERE user_id = NEW.id;
        END IF;
    END IF;
    -- What goes with its tenant needs no entry of its own.
    IF owner = 0 OR EXISTS (SELECT FROM broadcast.tenants WHERE id = owner) THEN
        INSERT INTO broadcast.journal (tenant_id, entry)
        SELECT owner, jsonb_build_object('entry', entry, 'tenant_id', owner, 'id', OLD.id)
               || CASE entry WHEN 'user_role' THEN jsonb_build_object('role', NEW.role)
                             WHEN 'user_disabled' THEN jsonb_build_object('at', NEW.disabled_at) ELSE '{}' END
        FROM unnest(entries) AS entry;
    END IF;
    RETURN NULL;
END $$;

-- As before, with passkeys.
CREATE OR REPLACE FUNCTION broadcast.replay(entries jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e jsonb;
    tenant bigint;
BEGIN
    FOR e IN SELECT value FROM jsonb_array_elements(entries) WITH ORDINALITY AS each (value, place) ORDER BY place LOOP
        tenant := e ->> 'tenant_id';
        -- One that was made after the time of the copy is not here.
        CONTINUE WHEN tenant <> 0 AND NOT EXISTS (SELECT FROM broadcast.tenants WHERE id = tenant);
        CASE e ->> 'entry'
        WHEN 'suppressed' THEN
            INSERT INTO broadcast.suppressions SELECT * FROM jsonb_populate_record(NULL::broadcast.suppressions, e) ON CONFLICT DO NOTHING;
        WHEN 'suppression_ended' THEN
            DELETE FROM broadcast.suppressions WHERE tenant_id = tenant AND address_key = (e ->> 'address_key')::bytea;
        WHEN 'erasure' THEN
            INSERT INTO broadcast.erasures (tenant_id, address_key, asked_at)
            VALUES (tenant, (e ->> 'address_key')::bytea, (e ->> 'asked_at')::timestamptz) ON CONFLICT DO NOTHING;
        WHEN 'hold' THEN
            INSERT INTO broadcast.holds (tenant_id, campaign_id, reason, held_at, held_by)
            SELECT tenant, h.campaign_id, h.reason, h.held_at, h.held_by FROM jsonb_populate_record(NULL::broadcast.holds, e) AS h
            WHERE EXISTS (SELECT FROM broadcast.campaigns WHERE tenant_id = tenant AND id = h.campaign_id)
              AND NOT EXISTS (SELECT FROM broadcast.holds k WHERE k.campaign_id = h.campaign_id AND k.held_at = h.held_at)
            ON CONFLICT DO NOTHING;
        WHEN 'release' THEN
            UPDATE broadcast.holds SET released_at = (e ->> 'released_at')::timestamptz, released_by = e ->> 'released_by'
            WHERE campaign_id = (e ->> 'campaign_id')::bigint AND released_at IS NULL;
        WHEN 'campaign_end' THEN
            UPDATE broadcast.campaigns SET state = 'deleting', delete_asked_at = (e ->> 'delete_asked_at')::timestamptz
            WHERE tenant_id = tenant AND id = (e ->> 'id')::bigint AND delete_asked_at IS NULL AND state <> 'deleted';
        WHEN 'launch_over', 'slice_over' THEN
            INSERT INTO broadcast.handed_over_since (tenant_id, launch_id, slice)
            SELECT tenant, id, (e ->> 'slice')::integer FROM broadcast.launches
            WHERE tenant_id = tenant AND id = (e ->> 'id')::bigint AND ended_at IS NULL;
        WHEN 'status' THEN
            -- Where the bucket was being deleted already, no file stands any more.
            IF e ->> 'status' = 'ending' THEN
                DELETE FROM broadcast.files WHERE tenant_id = tenant;
                DELETE FROM broadcast.uploads WHERE tenant_id = tenant;
            END IF;
            UPDATE broadcast.tenants SET status = CASE e ->> 'status' WHEN 'ending' THEN 'deleting' ELSE e ->> 'status' END WHERE id = tenant;
        WHEN 'api_key_ended' THEN
            DELETE FROM broadcast.api_keys WHERE tenant_id = tenant AND prefix = e ->> 'prefix';
        WHEN 'api_key_end' THEN
            UPDATE broadcast.api_keys SET expires_at = (e ->> 'expires_at')::timestamptz WHERE tenant_id = tenant AND prefix = e ->> 'prefix';
        WHEN 'ssh_key_ended' THEN
            DELETE FROM broadcast.ssh_keys WHERE tenant_id = tenant AND fingerprint = e ->> 'fingerprint';
        WHEN 'pgp_key_ended' THEN
            DELETE FROM broadcast.pgp_keys WHERE tenant_id = tenant AND purpose = e ->> 'purpose' AND fingerprint = e ->> 'fingerprint';
        WHEN 'webhook_ended' THEN
            DELETE FROM broadcast.webhooks WHERE tenant_id = tenant AND id = (e ->> 'id')::bigint;
        -- The newer one's hash is not here: nobody logs in by password until an operator resets it.
        WHEN 'password_ended' THEN
            UPDATE broadcast.tenants SET sftp_password_hash = NULL WHERE id = tenant;
        WHEN 'receipt' THEN
            INSERT INTO broadcast.receipts SELECT * FROM jsonb_populate_record(NULL::broadcast.receipts, e) ON CONFLICT DO NOTHING;
        WHEN 'user_ended' THEN
            DELETE FROM broadcast.users WHERE id = (e ->> 'id')::bigint AND coalesce(tenant_id, 0) = tenant;
        WHEN 'user_disabled' THEN
            UPDATE broadcast.users SET disabled_at = (e ->> 'at')::timestamptz
            WHERE id = (e ->> 'id')::bigint AND coalesce(tenant_id, 0) = tenant AND disabled_at IS NULL;
        -- Down alone: a right that was given since is given again by a person.
        WHEN 'user_role' THEN
            UPDATE broadcast.users SET role = e ->> 'role'
            WHERE id = (e ->> 'id')::bigint AND tenant_id = tenant
              AND array_position(ARRAY['viewer', 'manager', 'admin'], e ->> 'role') < array_position(ARRAY['viewer', 'manager', 'admin'], role);
        -- The newer hash is not here: the person asks for a link by mail.
        WHEN 'user_password_ended' THEN
            UPDATE broadcast.users SET password_hash = NULL WHERE id = (e ->> 'id')::bigint AND coalesce(tenant_id, 0) = tenant;
        -- The next login registers one.
        WHEN 'user_phone_ended' THEN
            UPDATE broadcast.users SET phone_sealed = NULL, phone_ends = NULL, phone_verified_at = NULL
            WHERE id = (e ->> 'id')::bigint AND coalesce(tenant_id, 0) = tenant;
        WHEN 'user_totp_ended' THEN
            UPDATE broadcast.users SET totp_sealed = NULL, totp_since = NULL, totp_step = NULL
            WHERE id = (e ->> 'id')::bigint AND coalesce(tenant_id, 0) = tenant;
        WHEN 'user_passkey_ended' THEN
            DELETE FROM broadcast.passkeys p USING broadcast.users u
            WHERE u.id = p.user_id AND coalesce(u.tenant_id, 0) = tenant AND p.user_id = (e ->> 'id')::bigint
              AND p.credential_id = decode(e ->> 'credential_id', 'hex');
        WHEN 'recovery_code_used' THEN
            DELETE FROM broadcast.recovery_codes WHERE user_id = (e ->> 'id')::bigint;
        -- Of a later version, which this one was put back from.
        ELSE RAISE WARNING 'an entry of the journal is not known: %', e ->> 'entry';
        END CASE;
    END LOOP;
END $$;
