-- +goose Up
-- What is in trouble, by receiver, without reading it. Deliveries that go well never come here.
CREATE INDEX logout_deliveries_trouble ON logout_deliveries (client_id, channel, state, created_at) WHERE state IN ('retrying', 'dead', 'rejected');
CREATE INDEX logout_deliveries_failed ON logout_deliveries (settled_at) WHERE state IN ('dead', 'rejected');

-- +goose Down
DROP INDEX logout_deliveries_failed;
DROP INDEX logout_deliveries_trouble;
