-- SHA-256 of the text that an import read, without what it was packed or encrypted in: the same list twice in one campaign is a mistake
-- unless the call says otherwise.
ALTER TABLE broadcast.imports ADD COLUMN content_sha256 text;
