-- Objects in the store that no row refers to any more, for the worker to remove.
CREATE TABLE vsl.doomed_objects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_key text NOT NULL,
    bucket text,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When a worker may try next; moved on at each try.
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE vsl.doomed_objects IS 'Objects in the store that no row refers to any more.';
