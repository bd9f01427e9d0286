-- What the ledger of migrations says; older ledgers have fewer columns.
SELECT m.version, to_jsonb(m) ->> 'origin' AS origin, to_jsonb(m) ->> 'mode' AS mode, to_jsonb(m) ->> 'state' AS state
FROM public.schema_migrations m
ORDER BY m.applied_at, m.version;
