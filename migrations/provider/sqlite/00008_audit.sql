-- +goose Up
-- The audit trail. Rows are never changed, and deleted only by a sweep that left its mark before.
CREATE TABLE audit (
    id         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    actor_kind TEXT    NOT NULL,
    actor_id   TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    logout_id  TEXT    NOT NULL,
    detail     TEXT    NOT NULL, -- JSON
    PRIMARY KEY (at, id)
) WITHOUT ROWID; -- a rowid would be a second key, by which INSERT OR REPLACE passes the triggers
CREATE INDEX audit_subject ON audit (subject, at) WHERE subject <> '';

-- What the sweeps deleted: everything before a time, which is at least a day past. So whoever looks sees from where on the trail is whole.
CREATE TABLE audit_sweeps (
    before INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (before, at),
    CHECK (before <= at - 86400000000)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: UPDATE on audit is refused');
END;
-- +goose StatementEnd
-- INSERT OR REPLACE would change a row without any other trigger.
-- +goose StatementBegin
CREATE TRIGGER audit_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE at = NEW.at AND id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: the entry exists');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_delete BEFORE DELETE ON audit WHEN NOT EXISTS (SELECT 1 FROM audit_sweeps WHERE before > OLD.at)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: no sweep has marked this entry as past its retention');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_sweeps_update BEFORE UPDATE ON audit_sweeps
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: UPDATE on audit_sweeps is refused');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_sweeps_delete BEFORE DELETE ON audit_sweeps
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only: DELETE on audit_sweeps is refused');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit;
DROP TABLE audit_sweeps;
