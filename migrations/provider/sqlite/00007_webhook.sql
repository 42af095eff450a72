-- +goose Up
-- The secrets that sign what is sent to the client's webhook, encrypted.
ALTER TABLE clients ADD COLUMN webhook_secrets BLOB;

-- +goose Down
ALTER TABLE clients DROP COLUMN webhook_secrets;
