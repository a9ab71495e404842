-- Names of files are compared by bytes, as S3 lists them: by the index, whatever language the database speaks.
ALTER TABLE broadcast.files ALTER COLUMN name TYPE text COLLATE "C";
