-- A launch at a time, and launches that stop: paused, to go on later; cancelled, for good.
--
-- scheduled (waits for `starts_at`) -> preparing -> running -> done | failed; any of the first three -> paused -> where it stood;
-- any of the first four -> cancelled. `ended_at` comes with the last open mail: a launch without it is not over, whatever its state.
ALTER TABLE broadcast.launches
    -- NULL: at once.
    ADD COLUMN starts_at  timestamptz,
    -- The end of its last pause.
    ADD COLUMN resumed_at timestamptz,
    DROP CONSTRAINT launches_state_check,
    ADD CONSTRAINT launches_state_check
        CHECK (state IN ('scheduled', 'preparing', 'running', 'paused', 'done', 'failed', 'cancelled')),
    ADD CONSTRAINT launches_starts_at_check CHECK (state <> 'scheduled' OR starts_at IS NOT NULL);
DROP INDEX broadcast.launches_open;
CREATE INDEX launches_open ON broadcast.launches (state) WHERE ended_at IS NULL;
