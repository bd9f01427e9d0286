-- Take a file's present text for the one that was applied.
UPDATE public.schema_migrations
SET sha256 = %(sha256)s::text, meaning = %(meaning)s::text, applied_text = %(applied_text)s::text
WHERE version = %(version)s::text;
