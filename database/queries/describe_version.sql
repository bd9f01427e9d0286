-- Fill in what is known of a migration that was recorded by somebody else: by its own file in psql, or by
-- a runner before the ledger had these columns.
UPDATE public.schema_migrations
SET origin = coalesce(origin, %(origin)s::text), sha256 = coalesce(sha256, %(sha256)s::text),
    meaning = coalesce(meaning, %(meaning)s::text), applied_text = coalesce(applied_text, %(applied_text)s::text),
    state = coalesce(state, 'applied')
WHERE version = %(version)s::text;
