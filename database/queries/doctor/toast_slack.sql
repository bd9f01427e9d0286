-- How much is empty at least of what a table keeps apart from its rows (TOAST: prompts, parameters,
-- answers of providers), in percent: a page holds four full pieces, so 1 - pieces / (4 * pages). It can
-- be more. Below 1,000 pages nothing is said; half of it and 100 MB are a warning.
SELECT
    format('TOAST of %I.%I', n.nspname, c.relname) AS subject,
    100 * j.share AS value,
    CASE WHEN j.share >= 0.5 AND j.bytes >= 100 * 1024 ^ 2 THEN 'warn' ELSE 'note' END AS level,
    format(
        'at least %s of %s are empty (%s %%); new values of this table will fill it, the disk does not get it back',
        pg_size_pretty(j.bytes::bigint), pg_size_pretty((t.relpages * current_setting('block_size')::float8)::bigint), round((100 * j.share)::numeric)
    ) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL (SELECT 1 - t.reltuples / (4.0 * nullif(t.relpages, 0))) s (share)
CROSS JOIN LATERAL (SELECT s.share, s.share * t.relpages * current_setting('block_size')::float8 AS bytes) j
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND t.relpages >= 1000 AND t.reltuples >= 0 AND j.share >= 0.25;
