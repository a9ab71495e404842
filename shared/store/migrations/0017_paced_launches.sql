-- Launches that are spread over some hours.
ALTER TABLE broadcast.launches
    -- From the first slice's turn to the last one's. NULL: all at once.
    ADD COLUMN paced_minutes integer CHECK (paced_minutes BETWEEN 1 AND 10080),
    -- The beginning of its present pause; what waits for its turn is put off by as much when it is resumed.
    ADD COLUMN paused_at timestamptz;
