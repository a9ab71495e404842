-- How a published file was read: the charset's name after WHATWG and the delimiter, given or detected.
ALTER TABLE broadcast.imports ADD COLUMN charset text, ADD COLUMN delimiter text;
