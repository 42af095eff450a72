-- +goose Up
-- The audit trail. Rows are never changed, and deleted only by a sweep that left its mark before.
CREATE TABLE audit (
    id         TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    logout_id  TEXT   NOT NULL,
    detail     TEXT   NOT NULL, -- JSON
    PRIMARY KEY (at, id)
);
CREATE INDEX audit_subject ON audit (subject, at) WHERE subject <> '';

-- What the sweeps deleted: everything before a time, which is at least a day past. So whoever looks sees from where on the trail is whole.
CREATE TABLE audit_sweeps (
    before BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (before, at),
    CHECK (before <= at - 86400000000)
);

-- +goose StatementBegin
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % on % is refused', TG_OP, TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION audit_refuse_early() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_sweeps WHERE before > OLD.at) THEN
        RAISE EXCEPTION 'the audit trail is append-only: no sweep has marked this entry as past its retention';
    END IF;
    RETURN OLD;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_update BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_delete BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse_early();
CREATE TRIGGER audit_sweeps_change BEFORE UPDATE OR DELETE ON audit_sweeps FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_sweeps_truncate BEFORE TRUNCATE ON audit_sweeps FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- +goose Down
DROP TABLE audit;
DROP TABLE audit_sweeps;
DROP FUNCTION audit_refuse_early();
DROP FUNCTION audit_refuse();
