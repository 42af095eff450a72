-- +goose Up
-- Times are microseconds since 1970, UTC. NULL is "not yet" or "never". Hashes are SHA-256. Lists of scopes are space separated.
-- WITHOUT ROWID: one tree instead of two where rows are small and found by their key.

CREATE TABLE users (
    id                          TEXT     PRIMARY KEY, -- the subject
    username                    TEXT     NOT NULL UNIQUE,
    password_hash               TEXT     NOT NULL,
    email                       TEXT     NOT NULL,
    claims                      TEXT     NOT NULL, -- JSON
    admin                       BOOLEAN  NOT NULL,
    disabled_at                 INTEGER,
    created_at                  INTEGER  NOT NULL,
    updated_at                  INTEGER  NOT NULL,
    -- Keyed fingerprints of the configuration's entry and of its password; NULL for a user who did not come from there.
    config_fingerprint          BLOB,
    config_password_fingerprint BLOB
);

CREATE TABLE clients (
    id          TEXT    PRIMARY KEY,
    secret_hash BLOB,
    metadata    TEXT    NOT NULL, -- JSON, OpenID Connect Dynamic Client Registration names
    configured  BOOLEAN NOT NULL, -- came from the configuration file
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);
CREATE INDEX clients_configured ON clients (id) WHERE configured;

-- One row per scope, so that two browsers agreeing at once cannot lose each other's.
CREATE TABLE consents (
    subject    TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (subject, client_id, scope)
) WITHOUT ROWID;

CREATE TABLE signing_keys (
    id           TEXT     PRIMARY KEY, -- kid
    algorithm    TEXT     NOT NULL,
    sealed       BLOB     NOT NULL, -- PKCS #8, encrypted
    public       TEXT     NOT NULL, -- JWK
    created_at   INTEGER  NOT NULL,
    activated_at INTEGER,
    retired_at   INTEGER
);
-- One active key per algorithm over all nodes.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (algorithm) WHERE activated_at IS NOT NULL AND retired_at IS NULL;

-- An authorization request and, once it is granted, the code that answers it.
CREATE TABLE authorizations (
    id           TEXT     PRIMARY KEY,
    client_id    TEXT     NOT NULL,
    browser_hash BLOB,
    request      TEXT     NOT NULL, -- JSON
    created_at   INTEGER  NOT NULL,
    expires_at   INTEGER  NOT NULL,
    session_id   TEXT     NOT NULL,
    subject      TEXT     NOT NULL,
    auth_time    INTEGER,
    code_hash    BLOB,
    logged_in_at INTEGER,
    consented_at INTEGER,
    consumed_at  INTEGER,
    grant_id     TEXT     NOT NULL
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
    auth_time  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);
-- Only grants that outlive their session are ever looked for by whom they belong to; the others die with it, unwritten.
CREATE INDEX grants_offline_sid ON grants (sid) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_session ON grants (session_id) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_subject ON grants (subject, client_id) WHERE offline AND revoked_at IS NULL;
CREATE INDEX grants_offline_client ON grants (client_id) WHERE offline AND revoked_at IS NULL;

-- No foreign key to grants: each insert would lock the grant's row, and the sweep deletes a grant with its last token.
CREATE TABLE tokens (
    hash       BLOB    PRIMARY KEY,
    kind       TEXT    NOT NULL,
    grant_id   TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_expires ON tokens (expires_at);

CREATE TABLE login_failures (
    throttle   TEXT    PRIMARY KEY, -- hash of an account's name or of a network address
    failures   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
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
