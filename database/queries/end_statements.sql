-- Record that all statements of a migration are done.
UPDATE public.schema_migrations
SET applied_at = now(), state = 'applied', error = NULL
WHERE version = %(version)s::text;
