-- +goose Up
-- The stream of shared signals that carries a delivery; empty for every other channel.
ALTER TABLE logout_deliveries ADD COLUMN stream_id TEXT NOT NULL DEFAULT '';
-- What a receiver can still fetch. Queries repeat the condition word for word, or SQLite would not use it.
CREATE INDEX logout_deliveries_stream ON logout_deliveries (stream_id, id) WHERE stream_id <> '' AND state IN ('unconfirmed', 'retrying', 'pending');

-- +goose Down
DROP INDEX logout_deliveries_stream;
ALTER TABLE logout_deliveries DROP COLUMN stream_id;
