-- What `vsl db` needs to look after the database: more about each migration, snapshots for the doctor,
-- and a record of administrative acts.
SET LOCAL lock_timeout = '1s';
SET LOCAL statement_timeout = '30s';

-- All of them may be NULL: a migration's own INSERT goes on naming the first two columns only.
ALTER TABLE public.schema_migrations
    ADD COLUMN origin text,
    ADD COLUMN sha256 text,
    ADD COLUMN meaning text,
    ADD COLUMN applied_text text,
    ADD COLUMN mode text,
    ADD COLUMN state text,
    ADD COLUMN statements_done integer,
    ADD COLUMN duration_ms bigint,
    ADD COLUMN applied_by text,
    ADD COLUMN program_version text,
    ADD COLUMN error text;

-- Counters of the server as they were, so that `vsl db doctor` can tell what happened since.
CREATE TABLE vsl.health_snapshots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    measures jsonb NOT NULL
);
COMMENT ON TABLE vsl.health_snapshots IS 'Counters of the server as they were, for `vsl db doctor`.';

CREATE INDEX health_snapshots_taken_at_idx ON vsl.health_snapshots (taken_at);

-- Administrative acts. Rows come from vsl.record_act and are only added.
CREATE TABLE vsl.audit_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    act text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE vsl.audit_entries IS 'Administrative acts: who did what, and when.';
