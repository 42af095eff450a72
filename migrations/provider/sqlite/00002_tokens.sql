-- +goose Up
-- The assertions by which clients authenticated (RFC 7523), so that none works twice. The hash is of client_id and jti.
CREATE TABLE client_assertions (
    hash       BLOB   PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX client_assertions_expires ON client_assertions (expires_at);

-- +goose Down
DROP TABLE client_assertions;
