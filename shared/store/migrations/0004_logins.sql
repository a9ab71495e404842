-- Where an SSH key may come from (NULL: anywhere), and accounts that ask for a key and the password, both.
ALTER TABLE broadcast.ssh_keys ADD COLUMN sources cidr[] CHECK (cardinality(sources) BETWEEN 1 AND 32);
ALTER TABLE broadcast.tenants ADD COLUMN sftp_both boolean NOT NULL DEFAULT false;
-- A key that is offered under another account's name is found by itself.
CREATE INDEX ON broadcast.ssh_keys (fingerprint);
