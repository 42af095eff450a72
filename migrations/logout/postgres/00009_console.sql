-- +goose Up
-- What operators ask of the ledger, each by an index that holds the order of its answer. created_at comes before id: an id is made a moment
-- later, by a clock that may be another.
CREATE INDEX logout_deliveries_created ON logout_deliveries (created_at, id);
DROP INDEX logout_deliveries_client;
CREATE INDEX logout_deliveries_client ON logout_deliveries (client_id, created_at, id);
-- What was not acknowledged: small while all is well, and the part that everybody looks for when it is not.
DROP INDEX logout_deliveries_open;
CREATE INDEX logout_deliveries_untold ON logout_deliveries (state, created_at, id) WHERE state <> 'delivered';
CREATE INDEX logout_deliveries_client_untold ON logout_deliveries (client_id, state, created_at, id) WHERE state <> 'delivered';
-- The receipts of a client by the time they came, with how long they took.
CREATE INDEX logout_deliveries_told ON logout_deliveries (client_id, settled_at, created_at) WHERE state = 'delivered';
CREATE INDEX logout_deliveries_subject ON logout_deliveries (subject);

CREATE INDEX logout_sessions_logout ON logout_sessions (logout_id, subject) WHERE logout_id <> '';
CREATE INDEX logout_sessions_past ON logout_sessions (subject) WHERE logout_id <> '';

-- +goose Down
DROP INDEX logout_sessions_past;
DROP INDEX logout_sessions_logout;
DROP INDEX logout_deliveries_subject;
DROP INDEX logout_deliveries_told;
DROP INDEX logout_deliveries_client_untold;
DROP INDEX logout_deliveries_untold;
DROP INDEX logout_deliveries_client;
DROP INDEX logout_deliveries_created;
CREATE INDEX logout_deliveries_client ON logout_deliveries (client_id, id);
CREATE INDEX logout_deliveries_open ON logout_deliveries (state, id) WHERE state NOT IN ('delivered', 'unreachable');
