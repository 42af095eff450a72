-- +goose Up
-- People are found by their e-mail address, too (Global Token Revocation).
CREATE INDEX users_email ON users (lower(email));

-- +goose Down
DROP INDEX users_email;
