-- +goose Up
-- What a delivery says beyond the session's end, for the channels that carry more than one kind of message.
ALTER TABLE logout_deliveries ADD COLUMN event TEXT NOT NULL DEFAULT '';
ALTER TABLE logout_deliveries ADD COLUMN payload TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE logout_deliveries DROP COLUMN payload;
ALTER TABLE logout_deliveries DROP COLUMN event;
