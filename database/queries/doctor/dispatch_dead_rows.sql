-- Dead rows of the dispatch table, which every claim has to step over.
-- More dead than live ones, and more than 1,000, warn already.
SELECT
    'vsl.dispatch'::text AS subject,
    t.n_dead_tup::float8 AS value,
    CASE WHEN t.n_dead_tup > 1000 AND t.n_dead_tup > t.n_live_tup AND t.n_dead_tup < 10000 THEN 'warn' END AS level,
    format(
        '%s dead and %s live rows; last vacuumed %s', t.n_dead_tup, t.n_live_tup,
        coalesce(format('%s s ago', round(extract(epoch FROM clock_timestamp() - greatest(t.last_vacuum, t.last_autovacuum)))), 'never')
    ) AS evidence,
    'vsl db psql -c ''VACUUM (ANALYZE) vsl.dispatch'''::text AS next,
    NULL::text AS unknown
FROM pg_stat_user_tables t
WHERE t.schemaname = 'vsl' AND t.relname = 'dispatch';
