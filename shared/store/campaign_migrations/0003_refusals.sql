-- How the relay refused a mail at its hand-over; a bounce has the same classes. Mails that were refused before have none.
ALTER TABLE ledger
    ADD COLUMN class text CHECK (class IN ('hard', 'soft', 'block')),
    ADD CHECK (class IS NULL OR state = 'refused');
