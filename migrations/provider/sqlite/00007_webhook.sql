-- +goose Up
-- The secrets that sign what is sent to the client's webhook, encrypted.
ALTER TABLE clients ADD COLUMN webhook_secrets BLOB;

-- Clients with a webhook that were deleted: what they still have to be told must be signed.
CREATE TABLE former_clients (
    id              TEXT   PRIMARY KEY,
    webhook_secrets BLOB  NOT NULL,
    metadata        TEXT   NOT NULL,
    deleted_at      INTEGER NOT NULL
);

-- +goose Down
DROP TABLE former_clients;
ALTER TABLE clients DROP COLUMN webhook_secrets;
