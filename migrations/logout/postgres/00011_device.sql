-- +goose Up
-- A device is asked for by all of its sessions, those that ended among them: when it was last seen, and which offline grants came of it.
DROP INDEX logout_sessions_device;
CREATE INDEX logout_sessions_device ON logout_sessions (device_id) WHERE device_id <> '';

-- +goose Down
DROP INDEX logout_sessions_device;
CREATE INDEX logout_sessions_device ON logout_sessions (device_id) WHERE ended_at IS NULL AND device_id <> '';
