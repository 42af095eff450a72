-- +goose Up
-- The secrets that sign what is sent to the client's webhook, encrypted.
ALTER TABLE clients ADD COLUMN webhook_secrets BYTEA;

-- Clients with a webhook that were deleted: what they still have to be told must be signed.
CREATE TABLE former_clients (
    id              TEXT   PRIMARY KEY,
    webhook_secrets BYTEA  NOT NULL,
    metadata        TEXT   NOT NULL,
    deleted_at      BIGINT NOT NULL
);

-- +goose Down
DROP TABLE former_clients;
ALTER TABLE clients DROP COLUMN webhook_secrets;
