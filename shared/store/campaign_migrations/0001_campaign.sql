-- One campaign's own tables. Run as the tenant's role with the campaign's schema as the search path.
-- Every import adds a table `recipients_<import id>` of the same shape (see store::recipients).

-- One row per address, over all imports of the campaign. An address is mailed once.
CREATE TABLE ledger (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    launch_id   bigint NOT NULL,
    slice       integer NOT NULL,
    import_id   bigint NOT NULL,
    line        bigint NOT NULL,
    address_key bytea NOT NULL UNIQUE,
    state       text NOT NULL CHECK (state IN ('pending', 'spooled', 'sending', 'deferred', 'sent', 'refused', 'failed',
                                               'suppressed', 'cancelled', 'expired', 'unknown')),
    -- Deliveries begun.
    attempt     smallint NOT NULL DEFAULT 0,
    -- The relay's last reply, without addresses.
    reply       text,
    -- When somebody has to look at the row again: a retry, or the end of the invocation that was sending it.
    due_at      timestamptz,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ledger_slice ON ledger (launch_id, slice);
CREATE INDEX ledger_due ON ledger (due_at) WHERE due_at IS NOT NULL;

-- What came back. `seq` orders exports; a row with a known `event_id` is refused silently.
CREATE TABLE responses (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid NOT NULL UNIQUE,
    at          timestamptz NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('delivered', 'bounced', 'complained', 'opened', 'clicked', 'unsubscribed')),
    class       text CHECK (class IN ('hard', 'soft', 'block')),
    mail_id     bigint NOT NULL REFERENCES ledger,
    link        integer,
    diagnostic  text,
    actor       text NOT NULL CHECK (actor IN ('human', 'proxy', 'scanner', 'system')),
    stored_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'bounced') = (class IS NOT NULL))
);
CREATE INDEX responses_mail ON responses (mail_id, kind);

-- The links of a template version, as the template has them (not personalised).
CREATE TABLE links (
    template_id bigint NOT NULL,
    number      integer NOT NULL,
    url         text NOT NULL,
    PRIMARY KEY (template_id, number)
);
