-- Which versions of the schema this database embodies. A migration's own INSERT names the first two
-- columns only; the runner fills in the rest, so all of it may be NULL.
CREATE TABLE public.schema_migrations (
    version varchar(50) PRIMARY KEY,
    description text,
    applied_at timestamptz NOT NULL DEFAULT now(),
    -- Whose file it was: `vsl` for the packaged ones, `user` for those of the user's folder.
    origin text,
    -- SHA-256 of the file, and of its meaning: its tokens without comments and white space.
    sha256 text,
    meaning text,
    applied_text text,
    -- How it got here: `transaction`, `statements` (one by one, outside of a transaction),
    -- `installed` (part of schema.sql), `marked` (by `vsl db mark-applied`), `adopted`.
    mode text,
    -- `running` or `failed` while the statements of a file that runs without a transaction are not all
    -- done; `applied`, or NULL, else.
    state text,
    -- How many of those statements are done.
    statements_done integer,
    duration_ms bigint,
    applied_by text,
    program_version text,
    error text
);
COMMENT ON TABLE public.schema_migrations IS 'Versions of the schema that this database embodies.';

-- The text of each function, view and grants file as last applied, by its SHA-256, so that a
-- changed one is applied again and an unchanged one is left alone.
CREATE TABLE vsl.repeatables (
    path text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
