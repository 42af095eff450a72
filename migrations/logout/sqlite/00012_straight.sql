-- +goose Up
-- The straight way of a delivery, from pending to delivered at once, is nearly everybody's. PostgreSQL changes the row where it lies if no
-- index mentions a column that changes on it; the indexes are the same here, so that the queries are.
-- detour is the state of a delivery that has left that way, late_at when one was settled that had, or that took longer than a minute.
DROP INDEX logout_deliveries_untold;
DROP INDEX logout_deliveries_client_untold;
DROP INDEX logout_deliveries_told;
DROP INDEX logout_deliveries_unacknowledged;
DROP INDEX logout_deliveries_trouble;
DROP INDEX logout_deliveries_failed;
DROP INDEX logout_deliveries_stream;
ALTER TABLE logout_deliveries ADD COLUMN detour TEXT GENERATED ALWAYS AS (CASE WHEN state IN ('pending', 'delivered') THEN '' ELSE state END) VIRTUAL;
ALTER TABLE logout_deliveries ADD COLUMN late_at INTEGER GENERATED ALWAYS AS (CASE WHEN state <> 'delivered' OR settled_at >= created_at + 60000000 THEN settled_at END) VIRTUAL;
CREATE INDEX logout_deliveries_detour ON logout_deliveries (detour, created_at, id) WHERE detour <> '';
CREATE INDEX logout_deliveries_client_detour ON logout_deliveries (client_id, detour, created_at, id) WHERE detour <> '';
CREATE INDEX logout_deliveries_trouble ON logout_deliveries (client_id, channel, detour, created_at) WHERE detour IN ('retrying', 'dead', 'rejected');
CREATE INDEX logout_deliveries_stream ON logout_deliveries (stream_id, id) WHERE stream_id <> '' AND detour IN ('unconfirmed', 'retrying');
CREATE INDEX logout_deliveries_failed ON logout_deliveries (late_at) WHERE detour IN ('dead', 'rejected');
CREATE INDEX logout_deliveries_late ON logout_deliveries (client_id, late_at) WHERE late_at IS NOT NULL;

-- What is pending is found by its logout, which is insured. job_id is 0 while the node that ended the session makes the first attempts: what stays
-- so is rescued.
UPDATE logouts SET job_id = NULL WHERE job_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM logout_deliveries d WHERE d.logout_id = logouts.id AND d.state = 'pending');
CREATE INDEX logouts_insured ON logouts (created_at) WHERE job_id IS NOT NULL;
CREATE INDEX logouts_early ON logouts (created_at) WHERE job_id = 0;

-- +goose Down
-- Stop all nodes at least half a minute after the last logout: a logout that is early has no job, and what came before does not rescue it.
DROP INDEX logouts_early;
DROP INDEX logouts_insured;
DROP INDEX logout_deliveries_late;
DROP INDEX logout_deliveries_failed;
DROP INDEX logout_deliveries_stream;
DROP INDEX logout_deliveries_trouble;
DROP INDEX logout_deliveries_client_detour;
DROP INDEX logout_deliveries_detour;
ALTER TABLE logout_deliveries DROP COLUMN late_at;
ALTER TABLE logout_deliveries DROP COLUMN detour;
CREATE INDEX logout_deliveries_untold ON logout_deliveries (state, created_at, id) WHERE state <> 'delivered';
CREATE INDEX logout_deliveries_client_untold ON logout_deliveries (client_id, state, created_at, id) WHERE state <> 'delivered';
CREATE INDEX logout_deliveries_told ON logout_deliveries (client_id, settled_at, created_at) WHERE state = 'delivered';
CREATE INDEX logout_deliveries_unacknowledged ON logout_deliveries (client_id, id) WHERE event_id = id AND state <> 'delivered';
CREATE INDEX logout_deliveries_trouble ON logout_deliveries (client_id, channel, state, created_at) WHERE state IN ('retrying', 'dead', 'rejected');
CREATE INDEX logout_deliveries_failed ON logout_deliveries (settled_at) WHERE state IN ('dead', 'rejected');
CREATE INDEX logout_deliveries_stream ON logout_deliveries (stream_id, id) WHERE stream_id <> '' AND state IN ('unconfirmed', 'retrying', 'pending');
