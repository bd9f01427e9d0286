-- The text of a migration as it was applied; NULL when that was not recorded.
SELECT pg_catalog.to_jsonb(m) ->> 'applied_text'
FROM public.schema_migrations m
WHERE m.version = %(version)s::text;
