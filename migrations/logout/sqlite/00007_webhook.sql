-- +goose Up
-- What a client is told of one thing through several channels is one event. Its first delivery, whose id it has, stands for it.
ALTER TABLE logout_deliveries ADD COLUMN event_id TEXT NOT NULL DEFAULT '';
-- The event's place in what its client pulls. It is given when the client reads, not when the row is written: a transaction that commits late
-- then comes later, and nobody who has read on misses it. NULL until then, and for the event's other deliveries.
ALTER TABLE logout_deliveries ADD COLUMN number INTEGER;
-- Acknowledged by pull.
ALTER TABLE logout_deliveries ADD COLUMN pulled BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE logout_deliveries SET event_id = id;

CREATE INDEX logout_deliveries_unnumbered ON logout_deliveries (client_id, id) WHERE number IS NULL AND event_id = id;
CREATE UNIQUE INDEX logout_deliveries_number ON logout_deliveries (client_id, number) WHERE number IS NOT NULL;
CREATE INDEX logout_deliveries_unacknowledged ON logout_deliveries (client_id, id) WHERE event_id = id AND state <> 'delivered';
CREATE INDEX logout_deliveries_event ON logout_deliveries (event_id) WHERE event_id <> id;

-- The last number given to each client that has pulled. The row is the lock under which numbers are given.
CREATE TABLE logout_pulls (
    client_id TEXT   PRIMARY KEY,
    number    INTEGER NOT NULL
);

-- One-time user tokens: what a webhook or a pulled event carries instead of the subject. Only the SHA-256 is kept.
CREATE TABLE logout_user_tokens (
    hash       BLOB  PRIMARY KEY,
    client_id  TEXT   NOT NULL,
    event_id   TEXT   NOT NULL,
    sid        TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
);
CREATE INDEX logout_user_tokens_expires ON logout_user_tokens (expires_at);

-- +goose Down
DROP TABLE logout_user_tokens;
DROP TABLE logout_pulls;
DROP INDEX logout_deliveries_event;
DROP INDEX logout_deliveries_unacknowledged;
DROP INDEX logout_deliveries_number;
DROP INDEX logout_deliveries_unnumbered;
ALTER TABLE logout_deliveries DROP COLUMN pulled;
ALTER TABLE logout_deliveries DROP COLUMN number;
ALTER TABLE logout_deliveries DROP COLUMN event_id;
