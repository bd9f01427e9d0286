-- Which versions of the schema this database embodies.
CREATE TABLE public.schema_migrations (
    version varchar(50) PRIMARY KEY,
    description text,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.schema_migrations IS 'Versions of the schema that this database embodies.';

-- The text of each function, view and grants file as last applied, by its SHA-256, so that a
-- changed one is applied again and an unchanged one is left alone.
CREATE TABLE vsl.repeatables (
    path text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
