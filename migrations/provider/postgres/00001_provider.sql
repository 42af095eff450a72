-- +goose Up
-- Times are microseconds since 1970, UTC. NULL is "not yet" or "never". Hashes are SHA-256. Lists of scopes are space separated.

CREATE TABLE users (
    id                          TEXT    PRIMARY KEY, -- the subject
    username                    TEXT    NOT NULL UNIQUE,
    password_hash               TEXT    NOT NULL,
    email                       TEXT    NOT NULL,
    claims                      TEXT    NOT NULL, -- JSON
    admin                       BOOLEAN NOT NULL,
    disabled_at                 BIGINT,
    created_at                  BIGINT  NOT NULL,
    updated_at                  BIGINT  NOT NULL,
    -- Keyed fingerprints of the configuration's entry and of its password; NULL for a user who did not come from there.
    config_fingerprint          BYTEA,
    config_password_fingerprint BYTEA
);

CREATE TABLE clients (
    id          TEXT    PRIMARY KEY,
    secret_hash BYTEA,
    metadata    TEXT    NOT NULL, -- JSON, OpenID Connect Dynamic Client Registration names
    configured  BOOLEAN NOT NULL, -- came from the configuration file
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL
);
CREATE INDEX clients_configured ON clients (id) WHERE configured;

-- One row per scope, so that two browsers agreeing at once cannot lose each other's.
CREATE TABLE consents (
    subject    TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (subject, client_id, scope)
);

CREATE TABLE signing_keys (
    id           TEXT    PRIMARY KEY, -- kid
    algorithm    TEXT    NOT NULL,
    sealed       BYTEA   NOT NULL, -- PKCS #8, encrypted
    public       TEXT    NOT NULL, -- JWK
    created_at   BIGINT  NOT NULL,
    activated_at BIGINT,
    retired_at   BIGINT
);
-- One active key per algorithm over all nodes.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (algorithm) WHERE activated_at IS NOT NULL AND retired_at IS NULL;

-- An authorization request and, once it is granted, the code that answers it.
CREATE TABLE authorizations (
    id           TEXT    PRIMARY KEY,
    client_id    TEXT    NOT NULL,
    browser_hash BYTEA,
    request      TEXT    NOT NULL, -- JSON
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    session_id   TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    auth_time    BIGINT,
    code_hash    BYTEA,
    logged_in_at BIGINT,
    consented_at BIGINT,
    consumed_at  BIGINT,
    grant_id     TEXT    NOT NULL
);
CREATE UNIQUE INDEX authorizations_code ON authorizations (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX authorizations_expires ON authorizations (expires_at);

CREATE TABLE grants (
    id         TEXT    PRIMARY KEY,
    client_id  TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sid        TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    offline    BOOLEAN NOT NULL,
    nonce      TEXT    NOT NULL,
    auth_time  BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    revoked_at BIGINT
);
-- Only grants that outlive their session are ever looked for by whom they belong to; the others die with it, unwritten.
CREATE INDEX grants_offline_sid ON grants (sid) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_session ON grants (session_id) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_subject ON grants (subject, client_id) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_client ON grants (client_id) WHERE offline AND revoked_at IS NULL;

-- No foreign key to grants: each insert would lock the grant's row, and the sweep deletes a grant with its last token.
CREATE TABLE tokens (
    hash       BYTEA  PRIMARY KEY,
    kind       TEXT   NOT NULL,
    grant_id   TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT
);
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_expires ON tokens (expires_at);

CREATE TABLE login_failures (
    throttle   TEXT    PRIMARY KEY, -- hash of an account's name or of a network address
    failures   INTEGER NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX login_failures_expires ON login_failures (expires_at);

-- +goose Down
DROP TABLE login_failures;
DROP TABLE tokens;
DROP TABLE grants;
DROP TABLE authorizations;
DROP TABLE signing_keys;
DROP TABLE consents;
DROP TABLE clients;
DROP TABLE users;
