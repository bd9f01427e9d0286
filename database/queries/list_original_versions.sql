-- What the original ledger of migrations says, whatever else is in it.
SELECT
    to_jsonb(m) ->> 'version' AS version,
    to_jsonb(m) ->> 'description' AS description,
    (to_jsonb(m) ->> 'applied_at')::timestamptz AS applied_at
FROM public.schema_migrations m
WHERE to_jsonb(m) ->> 'version' <> ''
ORDER BY 3, 1;
