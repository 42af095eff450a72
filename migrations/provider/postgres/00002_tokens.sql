-- +goose Up
-- The assertions by which clients authenticated (RFC 7523), so that none works twice. The hash is of client_id and jti.
CREATE TABLE client_assertions (
    hash       BYTEA   PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX client_assertions_expires ON client_assertions (expires_at);

-- +goose Down
DROP TABLE client_assertions;
