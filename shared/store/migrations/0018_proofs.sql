-- Whom a launch mails, and launches that are test mails alone.
ALTER TABLE broadcast.launches
    -- The imports whose addresses it mails. NULL: all of the campaign.
    ADD COLUMN import_ids bigint[] CHECK (cardinality(import_ids) BETWEEN 1 AND 100),
    -- It mails proofs alone, is shown nowhere as a launch, and holds nothing up.
    ADD COLUMN test boolean NOT NULL DEFAULT false;
