-- Give a version of the user's the number that its file has now.
UPDATE public.schema_migrations SET version = %(now)s::text WHERE version = %(version)s::text;
