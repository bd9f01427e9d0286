-- The versions that the database embodies or that a runner has begun. Ledgers of VSL 1.0.0 and 1.1.0 have
-- the first three columns only; the others are NULL then. The applied texts are left out: they can be large.
SELECT m.version, m.description, m.applied_at, r.*
FROM public.schema_migrations m
CROSS JOIN LATERAL pg_catalog.jsonb_to_record(pg_catalog.to_jsonb(m) - 'applied_text') AS r (
    origin text, sha256 text, meaning text, mode text, state text, statements_done integer, duration_ms bigint,
    applied_by text, program_version text, error text
)
ORDER BY m.applied_at, m.version;
