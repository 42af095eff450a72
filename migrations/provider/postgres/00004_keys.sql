-- +goose Up
-- From when a next key is to sign; NULL for keys that were made active at once.
ALTER TABLE signing_keys ADD COLUMN activate_at BIGINT;
-- One next key per algorithm over all nodes.
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (algorithm) WHERE activated_at IS NULL AND retired_at IS NULL;

-- +goose Down
DROP INDEX signing_keys_next;
ALTER TABLE signing_keys DROP COLUMN activate_at;
