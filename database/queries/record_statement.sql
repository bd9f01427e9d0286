-- Record that one more statement of a migration is done.
UPDATE public.schema_migrations
SET statements_done = %(done)s::integer, duration_ms = coalesce(duration_ms, 0) + %(duration_ms)s::bigint
WHERE version = %(version)s::text;
