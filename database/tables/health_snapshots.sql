-- Counters of the server as they were, so that `vsl db doctor` can tell what happened since: a ratio
-- over the life of a server says nothing about today.
CREATE TABLE vsl.health_snapshots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    measures jsonb NOT NULL
);
COMMENT ON TABLE vsl.health_snapshots IS 'Counters of the server as they were, for `vsl db doctor`.';

-- The snapshot of a while ago; those old enough to go.
CREATE INDEX health_snapshots_taken_at_idx ON vsl.health_snapshots (taken_at);
