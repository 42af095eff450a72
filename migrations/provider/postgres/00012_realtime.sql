-- +goose Up
-- What a page shows once, within a minute, to connect: it stands for an ID token.
CREATE TABLE realtime_tickets (
    hash       BYTEA   PRIMARY KEY, -- SHA-256 of the ticket
    client_id  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sid        TEXT    NOT NULL,
    quiet      BOOLEAN NOT NULL,    -- it hears only that the session has ended
    expires_at BIGINT  NOT NULL
);
CREATE INDEX realtime_tickets_sid ON realtime_tickets (sid);
CREATE INDEX realtime_tickets_expires ON realtime_tickets (expires_at);

-- Sessions with a page that is connected to some node, and until when that is certain.
CREATE TABLE realtime_sessions (
    session_id TEXT    PRIMARY KEY,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX realtime_sessions_expires ON realtime_sessions (expires_at);

-- +goose Down
DROP TABLE realtime_sessions;
DROP TABLE realtime_tickets;
