-- What was counted of the campaign, for whoever looks: one row. Domains of few recipients say something about people, so it stands here, goes
-- with the campaign, and with each erasure.
CREATE TABLE report (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    counted_at  timestamptz NOT NULL,
    document    jsonb NOT NULL
);
