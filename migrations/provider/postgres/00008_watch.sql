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

-- Who has been written to about a client that cannot be told: one row per client that was in trouble once.
CREATE TABLE alerts (
    client_id TEXT PRIMARY KEY,
    began_at  BIGINT NOT NULL, -- the trouble
    first_id  TEXT NOT NULL, -- the oldest delivery concerned
    rung      INTEGER NOT NULL, -- of the ladder; 0: the trouble is over
    moved_at  BIGINT NOT NULL, -- when the rung changed last
    version   BIGINT NOT NULL -- of the row: of several nodes that move it, one does
);

-- When somebody looks next, and until when the deliveries that failed for good have been looked at.
CREATE TABLE alert_looks (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    next_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
INSERT INTO alert_looks (id, next_at, seen_at) VALUES (1, 0, 0);

-- The mails about it, one per recipient.
CREATE TABLE mails (
    id         TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL,
    began_at   BIGINT NOT NULL, -- of the trouble
    rung       INTEGER NOT NULL,
    recipient  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL, -- queued, sending, sent, failed, superseded
    attempts   INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    next_at    BIGINT NOT NULL, -- while it is queued: no attempt before
    settled_at BIGINT,
    last_error TEXT NOT NULL
);
CREATE INDEX mails_due ON mails (next_at) WHERE state IN ('queued', 'sending');
CREATE INDEX mails_client ON mails (client_id, began_at);
CREATE INDEX mails_settled ON mails (settled_at) WHERE settled_at IS NOT NULL;

-- +goose Down
DROP TABLE mails;
DROP TABLE alert_looks;
DROP TABLE alerts;
DROP TABLE audit;
DROP TABLE audit_sweeps;
DROP FUNCTION audit_refuse_early();
DROP FUNCTION audit_refuse();
