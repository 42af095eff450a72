-- +goose Up
-- The browsers and installations of apps by which people log in. A device belongs to one person: two people in one browser have two.
CREATE TABLE devices (
    id          TEXT    PRIMARY KEY,
    subject     TEXT    NOT NULL,
    secret_hash BLOB,             -- of the browser's long-lived cookie; NULL for a device that only an app has named
    name        TEXT    NOT NULL, -- in human words
    user_agent  TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    country     TEXT    NOT NULL, -- ISO 3166-1 alpha-2
    city        TEXT    NOT NULL,
    latitude    REAL,             -- degrees; NULL when nobody knows
    longitude   REAL,
    exempt      BOOLEAN NOT NULL, -- counts for no limit
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL, -- the last login or attachment; its sessions know of more
    detached_at INTEGER
);
CREATE UNIQUE INDEX devices_secret ON devices (subject, secret_hash) WHERE secret_hash IS NOT NULL;
CREATE INDEX devices_subject ON devices (subject, created_at);
CREATE INDEX devices_seen ON devices (seen_at) WHERE detached_at IS NULL;

-- What an app has attached to a device, readable to that app alone.
CREATE TABLE device_attachments (
    device_id   TEXT    NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    client_id   TEXT    NOT NULL,
    subject     TEXT    NOT NULL, -- the device's
    own_id      TEXT    NOT NULL, -- what the app itself calls the device; may be empty
    metadata    TEXT    NOT NULL, -- a JSON object
    logout_url  TEXT    NOT NULL, -- where its pages go when the device is detached; may be empty
    attached_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, client_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_attachments_own ON device_attachments (client_id, subject, own_id) WHERE own_id <> '';

-- Logins that wait for the person to choose a device to sign out. The hash is of the id in the page's address.
CREATE TABLE device_choices (
    hash             BLOB    PRIMARY KEY,
    browser_hash     BLOB    NOT NULL,
    subject          TEXT    NOT NULL,
    password_hash    BLOB    NOT NULL, -- SHA-256 of the hash of the password that was right
    authorization_id TEXT    NOT NULL,
    logged_in_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL
);
CREATE INDEX device_choices_expires ON device_choices (expires_at);

-- NULL: the limit of the group, or else the general one.
ALTER TABLE users ADD COLUMN device_limit INTEGER;
ALTER TABLE users ADD COLUMN device_group TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE users DROP COLUMN device_group;
ALTER TABLE users DROP COLUMN device_limit;
DROP TABLE device_choices;
DROP TABLE device_attachments;
DROP TABLE devices;
