-- Proofs: mails of a launch's seed list, and test mails. They go the way of every mail and count nowhere, so an address may have any number of them
-- beside the one mail that it gets as a recipient. A proof's import is 0: its `line` is one of `proof_recipients`.
ALTER TABLE ledger ADD COLUMN proof boolean NOT NULL DEFAULT false, DROP CONSTRAINT ledger_address_key_key;
CREATE UNIQUE INDEX ledger_address ON ledger (address_key) WHERE NOT proof;
-- Neither column ever changes: a mail's row still changes its state without an index.
CREATE INDEX ledger_proof ON ledger (line) WHERE proof;

CREATE TABLE proof_recipients (
    line        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address     text NOT NULL,
    address_key bytea NOT NULL,
    -- By the names that templates have for columns.
    fields      jsonb NOT NULL,
    -- On the seed list; the others got a test mail.
    seed        boolean NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX proof_recipients_seed ON proof_recipients (address_key) WHERE seed;
