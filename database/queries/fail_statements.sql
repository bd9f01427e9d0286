-- Record that a statement of a migration failed.
UPDATE public.schema_migrations
SET state = 'failed', error = %(error)s::text
WHERE version = %(version)s::text;
