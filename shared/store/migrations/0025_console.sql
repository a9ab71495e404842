-- The console: its people, how they prove who they are, and what they are told of it.
--
-- Nothing here opens anything by itself: passwords are hashed, tokens and codes are digests, phones and secrets of authenticator apps are sealed. A
-- tenant's role sees its people, and none of that.

ALTER TABLE broadcast.tenants
    -- Whether a login takes a second factor. Operators have no such choice.
    ADD COLUMN second_factor boolean NOT NULL DEFAULT true,
    -- Whether authenticator apps may take the place of texts.
    ADD COLUMN totp_allowed boolean NOT NULL DEFAULT false,
    -- Where texts may go, as in ISO 3166-1: premium numbers are sold where nobody of the tenant lives.
    ADD COLUMN text_countries text[] NOT NULL DEFAULT '{AT,CH,DE}'
        CHECK (cardinality(text_countries) BETWEEN 1 AND 250 AND array_to_string(text_countries, ',') ~ '^[A-Z]{2}(,[A-Z]{2})*$'),
    ADD COLUMN texts_per_day integer NOT NULL DEFAULT 200 CHECK (texts_per_day BETWEEN 0 AND 100000);

CREATE TABLE broadcast.users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- NULL: an operator, who belongs to no tenant.
    tenant_id     bigint REFERENCES broadcast.tenants ON DELETE CASCADE,
    -- In the one form that logins are compared in.
    email         text NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    role          text NOT NULL CHECK (role IN ('operator', 'admin', 'manager', 'viewer')),
    -- NULL until the person has chosen one.
    password_hash text,
    language      text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'de')),
    -- IANA's name.
    zone          text NOT NULL DEFAULT 'UTC' CHECK (length(zone) BETWEEN 1 AND 64),
    -- In E.164, and what of it is shown.
    phone_sealed  bytea,
    phone_ends    text CHECK (phone_ends ~ '^[0-9]{3}$'),
    phone_verified_at timestamptz,
    totp_sealed   bytea,
    totp_since    timestamptz,
    -- The newest step whose code was used (RFC 6238): no code counts twice.
    totp_step     bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    disabled_at   timestamptz,
    locked_until  timestamptz,
    CHECK ((role = 'operator') = (tenant_id IS NULL)),
    CHECK ((phone_sealed IS NULL) = (phone_verified_at IS NULL)),
    CHECK ((phone_sealed IS NULL) = (phone_ends IS NULL)),
    CHECK ((totp_sealed IS NULL) = (totp_since IS NULL))
);
CREATE INDEX ON broadcast.users (tenant_id);

-- A browser that is logged in.
CREATE TABLE broadcast.sessions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    -- SHA-256 of what the cookie holds.
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    -- Whatever it does.
    ends_at    timestamptz NOT NULL,
    source     text,
    -- In a word or two, such as `Firefox, Linux`.
    browser    text NOT NULL CHECK (length(browser) <= 100)
);
CREATE INDEX ON broadcast.sessions (user_id);
CREATE INDEX ON broadcast.sessions (ends_at);
CREATE INDEX ON broadcast.sessions (seen_at);

-- Somebody who has proved the password and not yet the second factor.
CREATE TABLE broadcast.challenges (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    -- `login`; or `phone`, of somebody logged in who changes the number.
    purpose    text NOT NULL CHECK (purpose IN ('login', 'phone')),
    -- SHA-256 of what the cookie holds.
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    -- A number that is to be registered by the code, if it comes.
    phone_sealed bytea,
    phone_ends text,
    -- HMAC of the newest code with this row's id: an older code is none any more.
    code_hash  bytea CHECK (length(code_hash) = 32),
    code_ends_at timestamptz,
    -- Over all codes of the row.
    wrong      integer NOT NULL DEFAULT 0,
    used_at    timestamptz,
    CHECK ((code_hash IS NULL) = (code_ends_at IS NULL)),
    CHECK ((phone_sealed IS NULL) = (phone_ends IS NULL))
);
CREATE INDEX ON broadcast.challenges (user_id);
CREATE INDEX ON broadcast.challenges (ends_at);

-- What may be tried so often in a time: by whom, as an HMAC, so that addresses of strangers are not kept.
CREATE TABLE broadcast.attempts (
    kind    text NOT NULL,
    key     bytea NOT NULL CHECK (length(key) = 32),
    ends_at timestamptz NOT NULL,
    count   integer NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX ON broadcast.attempts (ends_at);

-- Texts of a day (UTC), of a tenant or of all operators.
CREATE TABLE broadcast.texts (
    tenant_id bigint REFERENCES broadcast.tenants ON DELETE CASCADE,
    day       date NOT NULL,
    count     integer NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tenant_id, day)
);

-- Whence somebody logged in before: an HMAC of the kind of browser and the network.
CREATE TABLE broadcast.places (
    user_id bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    place   bytea NOT NULL CHECK (length(place) = 32),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, place)
);
CREATE INDEX ON broadcast.places (seen_at);

-- Mails to users. A row is written in the transaction of what it tells, and goes when the relay has taken the mail.
CREATE TABLE broadcast.notices (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id  bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    kind     text NOT NULL CHECK (kind IN ('invitation', 'password_link', 'password_changed', 'new_phone', 'phone_reset', 'new_totp', 'totp_ended',
                                           'new_recovery_codes', 'recovery_code_used', 'locked', 'new_login')),
    at       timestamptz NOT NULL,
    -- Of a login.
    source   text,
    browser  text,
    -- When the next attempt is due. Who makes one moves it on first: that is its lease.
    due_at   timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX ON broadcast.notices (due_at);

-- The right to choose a password, which a mail brings. Made when the mail is, so that no row that waits holds a token.
CREATE TABLE broadcast.password_links (
    -- The notice that it went with: another attempt at the mail makes another token.
    notice_id  bigint PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    ends_at    timestamptz NOT NULL
);
CREATE INDEX ON broadcast.password_links (user_id);
CREATE INDEX ON broadcast.password_links (ends_at);

-- For whoever lost the phone. Each opens once, and goes then.
CREATE TABLE broadcast.recovery_codes (
    user_id   bigint NOT NULL REFERENCES broadcast.users ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
);

DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['users', 'sessions', 'challenges', 'attempts', 'texts', 'places', 'notices', 'password_links', 'recovery_codes'] LOOP
        EXECUTE format('ALTER TABLE broadcast.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY app ON broadcast.%I TO broadcast_app USING (true)', t);
    END LOOP;
END $$;

-- The login, one's own account, and sweep: over all tenants. It makes no user but an operator, and gives none of a tenant another role.
DROP POLICY app ON broadcast.users;
CREATE POLICY app_reads ON broadcast.users FOR SELECT TO broadcast_app USING (true);
CREATE POLICY app_changes ON broadcast.users FOR UPDATE TO broadcast_app USING (true);
CREATE POLICY app_makes ON broadcast.users FOR INSERT TO broadcast_app WITH CHECK (tenant_id IS NULL);
GRANT SELECT ON broadcast.users TO broadcast_app;
GRANT INSERT (email, role, language, zone) ON broadcast.users TO broadcast_app;
GRANT UPDATE (password_hash, language, zone, phone_sealed, phone_ends, phone_verified_at, totp_sealed, totp_since, totp_step, last_login_at,
              disabled_at, locked_until) ON broadcast.users TO broadcast_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast.sessions, broadcast.challenges, broadcast.attempts, broadcast.texts, broadcast.places, broadcast.notices,
    broadcast.password_links, broadcast.recovery_codes TO broadcast_app;

-- A tenant's admins: who there is, and what of it they may change. No hash, no seal, no whole number.
CREATE POLICY own ON broadcast.users TO broadcast_tenant USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT (id, tenant_id, email, role, language, zone, phone_ends, phone_verified_at, totp_since, created_at, last_login_at, disabled_at, locked_until),
    INSERT (tenant_id, email, role, language, zone),
    UPDATE (role, disabled_at, locked_until, phone_sealed, phone_ends, phone_verified_at),
    DELETE ON broadcast.users TO broadcast_tenant;
CREATE POLICY own ON broadcast.notices FOR INSERT TO broadcast_tenant
    WITH CHECK (user_id IN (SELECT id FROM broadcast.users WHERE tenant_id = broadcast.current_tenant()));
GRANT INSERT (user_id, kind, at, source, browser, due_at) ON broadcast.notices TO broadcast_tenant;

-- What ends a right of a user also ends every session and every half login, whoever did it; and the journal keeps it, so that no restored database
-- gives it back. Operators stand there under the number 0.
CREATE FUNCTION broadcast.end_rights() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
CREATE TRIGGER journal_user AFTER UPDATE OR DELETE ON broadcast.users FOR EACH ROW EXECUTE FUNCTION broadcast.end_rights();

-- A code that was used does not come back; nor do the others, which stood on the same paper.
CREATE FUNCTION broadcast.end_recovery_code() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO broadcast.journal (tenant_id, entry)
    SELECT coalesce(tenant_id, 0), jsonb_build_object('entry', 'recovery_code_used', 'tenant_id', coalesce(tenant_id, 0), 'id', id)
    FROM broadcast.users WHERE id = OLD.user_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_recovery_code AFTER DELETE ON broadcast.recovery_codes FOR EACH ROW EXECUTE FUNCTION broadcast.end_recovery_code();

-- As before; and nobody stays logged in.
CREATE OR REPLACE FUNCTION broadcast.note_restored(newest bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids regclass;
BEGIN
    UPDATE broadcast.database SET restored_at = now(), restored_to = beat_at, replayed_at = NULL,
        -- Its newest one may have taken up more than the copy knows of.
        replay_from = least(beat, replay_from), replay_to = newest, beat = newest,
        compared = broadcast.incarnation();
    UPDATE broadcast.tenants SET replay_due = true, listed_at = '-infinity';
    -- Whatever was open at that time may have been ended since.
    DELETE FROM broadcast.sessions;
    DELETE FROM broadcast.challenges;
    DELETE FROM broadcast.password_links;
    -- Numbers that were given after the time of the copy stand in tokens of mails and names of objects: none is given again.
    FOR ids IN SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE schemaname = 'broadcast' LOOP
        PERFORM setval(ids, nextval(ids) + 1000000);
    END LOOP;
END $$;

-- As before, with what ends rights of users.
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
        WHEN 'recovery_code_used' THEN
            DELETE FROM broadcast.recovery_codes WHERE user_id = (e ->> 'id')::bigint;
        -- Of a later version, which this one was put back from.
        ELSE RAISE WARNING 'an entry of the journal is not known: %', e ->> 'entry';
        END CASE;
    END LOOP;
END $$;
