-- +goose Up
-- The apps that people have left on their own page. In sessions that began before, such an app signs nobody on unasked.
CREATE TABLE departures (
    subject   TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    left_at   BIGINT  NOT NULL,
    PRIMARY KEY (subject, client_id)
);

-- +goose Down
DROP TABLE departures;
