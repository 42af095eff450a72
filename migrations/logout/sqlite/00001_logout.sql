-- +goose Up
-- Times are microseconds since 1970, UTC. NULL is "not yet" or "never".

CREATE TABLE logout_sessions (
    id          TEXT   PRIMARY KEY,
    subject     TEXT   NOT NULL,
    device_id   TEXT   NOT NULL DEFAULT '',
    secret_hash BLOB,
    auth_time   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    idle_until  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    logout_id   TEXT   NOT NULL DEFAULT '',
    address     TEXT   NOT NULL DEFAULT '',
    user_agent  TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX logout_sessions_secret ON logout_sessions (secret_hash) WHERE secret_hash IS NOT NULL;
CREATE INDEX logout_sessions_subject ON logout_sessions (subject) WHERE ended_at IS NULL;
CREATE INDEX logout_sessions_device ON logout_sessions (device_id) WHERE ended_at IS NULL AND device_id <> '';
CREATE INDEX logout_sessions_idle ON logout_sessions (idle_until) WHERE ended_at IS NULL;
CREATE INDEX logout_sessions_expires ON logout_sessions (expires_at) WHERE ended_at IS NULL;
CREATE INDEX logout_sessions_ended ON logout_sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE logout_participations (
    sid        TEXT   PRIMARY KEY,
    session_id TEXT   NOT NULL REFERENCES logout_sessions (id) ON DELETE CASCADE,
    client_id  TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    joined_at  INTEGER NOT NULL,
    ended_at   INTEGER
);
-- One live participation per session and client; a client that left and came back has another sid.
CREATE UNIQUE INDEX logout_participations_live ON logout_participations (session_id, client_id) WHERE ended_at IS NULL;
CREATE INDEX logout_participations_session ON logout_participations (session_id); -- the cascade of a deleted session
CREATE INDEX logout_participations_client ON logout_participations (client_id) WHERE ended_at IS NULL;

CREATE TABLE logouts (
    id           TEXT   PRIMARY KEY,
    cause        TEXT   NOT NULL,
    actor        TEXT   NOT NULL, -- JSON
    target       TEXT   NOT NULL, -- JSON
    initiator_id TEXT   NOT NULL DEFAULT '',
    sessions     INTEGER NOT NULL, -- how many it touched
    job_id       INTEGER,          -- its insurance, while one exists
    created_at   INTEGER NOT NULL
);
CREATE INDEX logouts_created ON logouts (created_at);

CREATE TABLE logout_deliveries (
    id          TEXT    PRIMARY KEY,
    logout_id   TEXT    NOT NULL REFERENCES logouts (id) ON DELETE CASCADE,
    client_id   TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    cause       TEXT    NOT NULL,
    session_id  TEXT    NOT NULL,
    sid         TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    uri         TEXT    NOT NULL DEFAULT '',
    alg         TEXT    NOT NULL DEFAULT '',
    attempts    INTEGER NOT NULL DEFAULT 0,
    rejections  INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER  NOT NULL,
    next_at     INTEGER  NOT NULL,
    give_up_at  INTEGER  NOT NULL,
    settled_at  INTEGER,
    last_status INTEGER NOT NULL DEFAULT 0,
    last_error  TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX logout_deliveries_logout ON logout_deliveries (logout_id);
CREATE INDEX logout_deliveries_client ON logout_deliveries (client_id, id);
CREATE INDEX logout_deliveries_state ON logout_deliveries (state, id); -- SQLite would not use a partial one

CREATE TABLE logout_attempts (
    delivery_id TEXT    NOT NULL REFERENCES logout_deliveries (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    at          INTEGER  NOT NULL,
    duration    INTEGER  NOT NULL, -- microseconds
    status      INTEGER NOT NULL,
    snippet     TEXT    NOT NULL,
    error       TEXT    NOT NULL,
    state       TEXT    NOT NULL
);
-- Not unique: two nodes that made the same attempt both made one.
CREATE INDEX logout_attempts_delivery ON logout_attempts (delivery_id, number);

-- +goose Down
DROP TABLE logout_attempts;
DROP TABLE logout_deliveries;
DROP TABLE logouts;
DROP TABLE logout_participations;
DROP TABLE logout_sessions;
