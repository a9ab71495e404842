-- What waits is found by slice, one row for some hundreds of mails. A mail's own row then changes its state without a change in any index,
-- which is most of what sending costs the database.
CREATE TABLE slices (
    launch_id   bigint NOT NULL,
    slice       integer NOT NULL,
    -- waiting (for its turn) -> generating -> sending -> done; back to sending when retries of it are due.
    state       text NOT NULL CHECK (state IN ('waiting', 'generating', 'sending', 'done')),
    -- When its turn comes, or when somebody has to look whether its message was lost. NULL: none of its mails waits but for a retry.
    due_at      timestamptz,
    -- By then every invocation that hands over mails of it has ended; what is `sending` beyond is lost.
    sending_until timestamptz,
    PRIMARY KEY (launch_id, slice),
    CHECK ((state = 'done') = (due_at IS NULL))
);
CREATE INDEX slices_due ON slices (launch_id, due_at, slice) WHERE due_at IS NOT NULL;

INSERT INTO slices (launch_id, slice, state, due_at, sending_until)
SELECT launch_id, slice, CASE WHEN due_at IS NULL THEN 'done' WHEN pending THEN 'generating' ELSE 'sending' END, due_at, sending_until
FROM (SELECT launch_id, slice, bool_or(state = 'pending') AS pending,
             min(due_at) FILTER (WHERE state IN ('pending', 'spooled', 'sending')) AS due_at,
             max(due_at) FILTER (WHERE state = 'sending') AS sending_until
      FROM ledger GROUP BY launch_id, slice) AS each;

-- From here on a mail has a time of its own only while it is `deferred`.
UPDATE ledger SET due_at = NULL WHERE due_at IS NOT NULL AND state <> 'deferred';
-- Room for the next versions of a page's rows beside them.
ALTER TABLE ledger SET (fillfactor = 60);
