-- +goose Up
-- A parked delivery is retrying without a time and a job of its own: it waits until its receiver is there again, or has room.
ALTER TABLE logout_deliveries ADD COLUMN parked BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX logout_deliveries_parked ON logout_deliveries (client_id, channel, next_at) WHERE parked;
CREATE INDEX logout_deliveries_parked_until ON logout_deliveries (client_id, channel, give_up_at) WHERE parked;

-- What all nodes know of a receiver: one client's endpoint of one channel.
CREATE TABLE logout_receivers (
    client_id    TEXT    NOT NULL,
    channel      TEXT    NOT NULL,
    open         BOOLEAN NOT NULL DEFAULT FALSE, -- its breaker
    changed_at   INTEGER,                         -- when the breaker opened or closed last
    reason       TEXT    NOT NULL DEFAULT '',    -- why it opened
    failures     INTEGER NOT NULL DEFAULT 0,      -- openings and failed probes in a row
    probe_at     INTEGER NOT NULL DEFAULT 0,      -- no probe before
    turn_at      INTEGER,                         -- when its job works on what is parked, while something may be
    busy_until   INTEGER NOT NULL DEFAULT 0,      -- a node is at it
    succeeded_at INTEGER,                         -- last acknowledgment, to the minute
    PRIMARY KEY (client_id, channel)
);

-- Logouts of so many sessions that they are done in batches.
CREATE TABLE logout_masses (
    id          TEXT    PRIMARY KEY,
    cause       TEXT    NOT NULL,
    actor       TEXT    NOT NULL,            -- JSON
    target      TEXT    NOT NULL,            -- JSON
    rate        INTEGER NOT NULL,             -- sessions per second; 0: as fast as possible
    state       TEXT    NOT NULL,            -- running, done, cancelled
    total       INTEGER NOT NULL,             -- sessions that were live when it was asked for
    done        INTEGER NOT NULL DEFAULT 0,   -- sessions that ended
    offline     INTEGER NOT NULL DEFAULT 0,   -- participations of sessions that had ended before, whose offline grants died
    after       TEXT    NOT NULL DEFAULT '', -- the last session that was looked at
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,             -- last progress
    finished_at INTEGER
);

-- +goose Down
DROP TABLE logout_masses;
DROP TABLE logout_receivers;
DROP INDEX logout_deliveries_parked_until;
DROP INDEX logout_deliveries_parked;
ALTER TABLE logout_deliveries DROP COLUMN parked;
