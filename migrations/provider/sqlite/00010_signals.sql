-- +goose Up
-- Streams of shared signals (OpenID Shared Signals Framework 1.0, 8.1.1). They outlive the node that made them.
CREATE TABLE ssf_streams (
    id               TEXT    PRIMARY KEY,
    client_id        TEXT    NOT NULL,
    method           TEXT    NOT NULL, -- push, poll
    endpoint_url     TEXT    NOT NULL, -- of a push stream
    authorization_sealed BLOB,         -- the value of its Authorization header, encrypted
    events_requested TEXT,             -- JSON; NULL: the receiver did not say
    description      TEXT    NOT NULL,
    status           TEXT    NOT NULL, -- enabled, paused, disabled
    reason           TEXT    NOT NULL,
    verified_at      INTEGER,          -- when a verification was last asked for
    created_at       INTEGER NOT NULL,
    closed_at        INTEGER           -- when its client was deleted; it carries what was planned until then
);
-- One stream per receiver.
CREATE UNIQUE INDEX ssf_streams_client ON ssf_streams (client_id) WHERE closed_at IS NULL;

-- People about whom a receiver wants to hear nothing.
CREATE TABLE ssf_subjects (
    stream_id  TEXT    NOT NULL REFERENCES ssf_streams (id) ON DELETE CASCADE,
    subject    TEXT    NOT NULL,
    removed_at INTEGER NOT NULL,
    PRIMARY KEY (stream_id, subject)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE ssf_subjects;
DROP TABLE ssf_streams;
