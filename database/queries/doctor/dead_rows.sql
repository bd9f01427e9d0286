-- The share of dead rows in each table and its TOAST, in percent, where there are more than 10,000. The
-- table of live jobs has a check of its own.
SELECT
    CASE WHEN c.relkind = 't' THEN format('TOAST of %I.%I', on_.nspname, o.relname) ELSE format('%I.%I', n.nspname, c.relname) END AS subject,
    (100.0 * s.n_dead_tup / (s.n_live_tup + s.n_dead_tup))::float8 AS value,
    NULL::text AS level,
    format(
        '%s dead rows beside %s live ones; last vacuum: %s', s.n_dead_tup, s.n_live_tup,
        coalesce(date_trunc('second', greatest(s.last_vacuum, s.last_autovacuum))::text, 'not since the counters began')
    ) AS evidence,
    format('VACUUM (ANALYZE) %I.%I;', coalesce(on_.nspname, n.nspname), coalesce(o.relname, c.relname)) AS next,
    NULL::text AS unknown
FROM pg_stat_all_tables s
JOIN pg_class c ON c.oid = s.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class o ON o.reltoastrelid = c.oid
LEFT JOIN pg_namespace on_ ON on_.oid = o.relnamespace
WHERE s.n_dead_tup > 10000 AND s.n_dead_tup >= 0.1 * (s.n_live_tup + s.n_dead_tup)
    AND coalesce(on_.nspname, n.nspname) NOT IN ('pg_catalog', 'information_schema')
    AND c.oid IS DISTINCT FROM to_regclass('vsl.dispatch');
