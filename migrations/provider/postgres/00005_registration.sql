-- +goose Up
-- Hash of the token by which a client that registered itself manages its registration (RFC 7592); NULL for every other client.
ALTER TABLE clients ADD COLUMN registration_token_hash BYTEA;

-- +goose Down
ALTER TABLE clients DROP COLUMN registration_token_hash;
