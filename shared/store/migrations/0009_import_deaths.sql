-- Deliveries that began to fill this import's table and ended without a word: their lease ran out. Above a limit it is not begun again.
ALTER TABLE broadcast.imports ADD COLUMN deaths integer NOT NULL DEFAULT 0;
