-- Templates in a language, with a preheader and files; what of an import is blank.
ALTER TABLE broadcast.templates
    -- BCP 47: how dates, numbers and names are written.
    ADD COLUMN locale    text NOT NULL DEFAULT 'en',
    ADD COLUMN preheader text,
    ADD CONSTRAINT templates_tenant_id_key UNIQUE (tenant_id, id);

-- What each mail of a template carries: images that its HTML shows, and attachments. Frozen and deleted with it.
CREATE TABLE broadcast.template_files (
    tenant_id    bigint NOT NULL,
    template_id  bigint NOT NULL,
    -- From 1, as the author gave them.
    position     integer NOT NULL,
    name         text NOT NULL,
    content_type text NOT NULL,
    inline       boolean NOT NULL,
    content      bytea NOT NULL,
    PRIMARY KEY (template_id, position),
    FOREIGN KEY (tenant_id, template_id) REFERENCES broadcast.templates (tenant_id, id) ON DELETE CASCADE
);
-- Images and most documents are packed already.
ALTER TABLE broadcast.template_files ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE broadcast.template_files ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON broadcast.template_files TO broadcast_tenant
    USING (tenant_id = broadcast.current_tenant()) WITH CHECK (tenant_id = broadcast.current_tenant());
GRANT SELECT, INSERT ON broadcast.template_files TO broadcast_tenant;

-- Of each column, in the order of the header: in how many rows it is blank, and the line of the first of these, or 0. NULL: imported before.
ALTER TABLE broadcast.imports
    ADD COLUMN blank_counts bigint[],
    ADD COLUMN blank_lines  bigint[];
