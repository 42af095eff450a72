-- +goose Up
-- Whether the client's endpoint might be on a private or loopback address when the session ended: it may have been deleted since.
ALTER TABLE logout_deliveries ADD COLUMN private BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE logout_deliveries DROP COLUMN private;
