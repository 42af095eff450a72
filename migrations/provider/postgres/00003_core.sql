-- +goose Up
-- The claims parameter of the authorization request (OpenID Connect Core 1.0, 5.5) as JSON; empty when there was none.
ALTER TABLE grants ADD COLUMN claims TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE grants DROP COLUMN claims;
