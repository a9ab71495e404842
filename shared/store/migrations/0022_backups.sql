-- Backups of the database, and what must survive a restore: the journal outside of it.
--
-- What protects people is written into `broadcast.journal` by triggers, in the transaction that does it. Each minute `send` counts `beat` up and puts
-- what is new into an object of that number, in a bucket. So a database whose bucket holds a higher number than its own is a copy of an earlier
-- time. It mails nobody and deletes nothing until it was found out whether it is one (`compared`); if it is, `sweep` replays the journal first,
-- and mails wait for an operator.

CREATE TABLE broadcast.database (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- A backup can be restored for so many days. RDS keeps its own for 35 at most.
    backup_days  integer NOT NULL DEFAULT 1 CHECK (backup_days BETWEEN 0 AND 35),
    -- The newest object of the journal, there or about to be there.
    beat         bigint NOT NULL DEFAULT 0,
    beat_at      timestamptz NOT NULL DEFAULT now(),
    -- Which running copy was compared with the journal: see `incarnation`.
    compared     text,
    -- It was found to be a copy of an earlier time. NULL: it is not, or an operator let mails go out again.
    restored_at  timestamptz,
    -- The copy is of about this time.
    restored_to  timestamptz,
    -- Objects of the journal that are to be replayed yet.
    replay_from  bigint,
    replay_to    bigint,
    -- All are replayed.
    replayed_at  timestamptz,
    CHECK ((restored_at IS NULL) = (restored_to IS NULL)),
    CHECK ((restored_at IS NULL) = (replay_from IS NULL)),
    CHECK ((restored_at IS NULL) = (replay_to IS NULL)),
    CHECK (restored_at IS NOT NULL OR replayed_at IS NULL)
);

-- Another one for every start of the server, and for every table made from a dump: no copy of a database takes itself for the one it was
-- copied from.
CREATE FUNCTION broadcast.incarnation() RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT extract(epoch FROM pg_postmaster_start_time()) || '/' || 'broadcast.database'::regclass::oid $$;

-- What is made here for the first time is no copy of anything.
INSERT INTO broadcast.database (compared) VALUES (broadcast.incarnation());

-- Whether this database knows what was done before: it may delete, and add to the chains of receipts.
CREATE FUNCTION broadcast.is_current() RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT compared IS NOT DISTINCT FROM broadcast.incarnation() AND (restored_at IS NULL OR replayed_at IS NOT NULL) FROM broadcast.database $$;

-- The state of a launch as it counts for mails: one that would go on stands still in a database that may mail nobody. `uncompared` lasts a minute.
CREATE FUNCTION broadcast.effective_state(state text) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT CASE WHEN state NOT IN ('scheduled', 'preparing', 'running') THEN state
                   WHEN compared IS DISTINCT FROM broadcast.incarnation() THEN 'uncompared'
                   WHEN restored_at IS NOT NULL THEN 'paused' ELSE state END
       FROM broadcast.database $$;

GRANT SELECT ON broadcast.database TO broadcast_tenant, broadcast_app;
GRANT UPDATE (beat, beat_at, compared, replay_from, replayed_at) ON broadcast.database TO broadcast_app;

-- What is not in the bucket yet. A tenant's functions add to it and see none of it.
CREATE TABLE broadcast.journal (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL,
    -- `entry` says of what; beside it the columns that `replay` needs. Digests, numbers, times and reasons: no address.
    entry     jsonb NOT NULL
);
ALTER TABLE broadcast.journal ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.journal FOR INSERT TO broadcast_tenant WITH CHECK (tenant_id = broadcast.current_tenant());
CREATE POLICY app ON broadcast.journal TO broadcast_app USING (true);
GRANT INSERT ON broadcast.journal TO broadcast_tenant;
-- UPDATE for the lock alone: who reads rows keeps others from putting them, too.
GRANT SELECT, UPDATE, DELETE ON broadcast.journal TO broadcast_app;

-- The entry's name, then the columns that it keeps.
CREATE FUNCTION broadcast.keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    owner bigint := coalesce(kept ->> 'tenant_id', kept ->> 'id');
BEGIN
    -- What goes with its tenant needs no entry of its own.
    IF TG_OP <> 'DELETE' OR EXISTS (SELECT FROM broadcast.tenants WHERE id = owner) THEN
        INSERT INTO broadcast.journal (tenant_id, entry)
        SELECT owner, jsonb_build_object('entry', TG_ARGV[0], 'tenant_id', owner)
               || coalesce(jsonb_object_agg(key, value) FILTER (WHERE key = ANY (TG_ARGV[1:])), '{}')
        FROM jsonb_each(kept);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER journal_suppressed AFTER INSERT ON broadcast.suppressions FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('suppressed', 'address_key', 'reason', 'created_at');
CREATE TRIGGER journal_suppression_ended AFTER DELETE ON broadcast.suppressions FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('suppression_ended', 'address_key');
CREATE TRIGGER journal_erasure AFTER INSERT ON broadcast.erasures FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('erasure', 'address_key', 'asked_at');
CREATE TRIGGER journal_hold AFTER INSERT ON broadcast.holds FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('hold', 'campaign_id', 'reason', 'held_at', 'held_by');
CREATE TRIGGER journal_release AFTER UPDATE OF released_at ON broadcast.holds FOR EACH ROW WHEN (NEW.released_at IS NOT NULL)
    EXECUTE FUNCTION broadcast.keep('release', 'campaign_id', 'released_at', 'released_by');
CREATE TRIGGER journal_campaign_end AFTER UPDATE OF delete_asked_at ON broadcast.campaigns FOR EACH ROW WHEN (NEW.delete_asked_at IS NOT NULL)
    EXECUTE FUNCTION broadcast.keep('campaign_end', 'id', 'delete_asked_at');
CREATE TRIGGER journal_launch_over AFTER UPDATE OF ended_at ON broadcast.launches FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION broadcast.keep('launch_over', 'id');
CREATE TRIGGER journal_status AFTER UPDATE OF status ON broadcast.tenants FOR EACH ROW WHEN (NEW.status <> OLD.status)
    EXECUTE FUNCTION broadcast.keep('status', 'status');
-- Rights that ended.
CREATE TRIGGER journal_api_key_ended AFTER DELETE ON broadcast.api_keys FOR EACH ROW EXECUTE FUNCTION broadcast.keep('api_key_ended', 'prefix');
CREATE TRIGGER journal_api_key_end AFTER UPDATE OF expires_at ON broadcast.api_keys FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('api_key_end', 'prefix', 'expires_at');
CREATE TRIGGER journal_ssh_key_ended AFTER DELETE ON broadcast.ssh_keys FOR EACH ROW EXECUTE FUNCTION broadcast.keep('ssh_key_ended', 'fingerprint');
CREATE TRIGGER journal_pgp_key_ended AFTER DELETE ON broadcast.pgp_keys FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('pgp_key_ended', 'purpose', 'fingerprint');
CREATE TRIGGER journal_webhook_ended AFTER DELETE ON broadcast.webhooks FOR EACH ROW EXECUTE FUNCTION broadcast.keep('webhook_ended', 'id');
CREATE TRIGGER journal_password_ended AFTER UPDATE OF sftp_password_hash ON broadcast.tenants FOR EACH ROW
    WHEN (OLD.sftp_password_hash IS NOT NULL AND NEW.sftp_password_hash IS DISTINCT FROM OLD.sftp_password_hash)
    EXECUTE FUNCTION broadcast.keep('password_ended');
CREATE TRIGGER journal_receipt AFTER INSERT ON broadcast.receipts FOR EACH ROW
    EXECUTE FUNCTION broadcast.keep('receipt', 'number', 'at', 'what', 'ids', 'count', 'rule', 'backups_until', 'previous', 'digest');

-- When the last backup expires that holds what was deleted; NULL for what deleted nothing, and for receipts of before this.
ALTER TABLE broadcast.receipts ADD COLUMN backups_until timestamptz;

-- Of a database that was restored: the tenant's launches are yet to be compared with what was handed over since the time of the copy.
ALTER TABLE broadcast.tenants ADD COLUMN replay_due boolean NOT NULL DEFAULT false;
GRANT UPDATE (replay_due) ON broadcast.tenants TO broadcast_tenant;

-- Launches that ended, and slices that were handed over, after the time of the copy. The journal says so where the spool has no object any more.
CREATE TABLE broadcast.handed_over_since (
    tenant_id bigint NOT NULL REFERENCES broadcast.tenants ON DELETE CASCADE,
    launch_id bigint NOT NULL,
    -- NULL: all of the launch.
    slice     integer
);
ALTER TABLE broadcast.handed_over_since ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.handed_over_since TO broadcast_tenant USING (tenant_id = broadcast.current_tenant());
GRANT SELECT, DELETE ON broadcast.handed_over_since TO broadcast_tenant;

-- Called when the bucket holds the object `newest`, which this database has not put.
CREATE FUNCTION broadcast.note_restored(newest bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids regclass;
BEGIN
    UPDATE broadcast.database SET restored_at = now(), restored_to = beat_at, replayed_at = NULL,
        -- Its newest one may have taken up more than the copy knows of.
        replay_from = least(beat, replay_from), replay_to = newest, beat = newest,
        compared = broadcast.incarnation();
    UPDATE broadcast.tenants SET replay_due = true, listed_at = '-infinity';
    -- Numbers that were given after the time of the copy stand in tokens of mails and names of objects: none is given again.
    FOR ids IN SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE schemaname = 'broadcast' LOOP
        PERFORM setval(ids, nextval(ids) + 1000000);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION broadcast.note_restored FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broadcast.note_restored TO broadcast_app;

-- Does again what entries of the journal say, in their order. What is done already stays as it is.
CREATE FUNCTION broadcast.replay(entries jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e jsonb;
    tenant bigint;
BEGIN
    FOR e IN SELECT value FROM jsonb_array_elements(entries) WITH ORDINALITY AS each (value, place) ORDER BY place LOOP
        tenant := e ->> 'tenant_id';
        -- One that was made after the time of the copy is not here.
        CONTINUE WHEN NOT EXISTS (SELECT FROM broadcast.tenants WHERE id = tenant);
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
        -- Of a later version, which this one was put back from.
        ELSE RAISE WARNING 'an entry of the journal is not known: %', e ->> 'entry';
        END CASE;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION broadcast.replay FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broadcast.replay TO broadcast_app;
