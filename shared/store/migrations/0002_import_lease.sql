-- The queue message whose delivery holds the lease of an import. Another message that asks for the same import is done with: the holder's
-- own one comes back if it fails. Its own redelivery waits for the lease's end.
ALTER TABLE broadcast.imports ADD COLUMN lease_by text;
