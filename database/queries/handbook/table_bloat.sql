-- Dead rows of each table, most first: where vacuum does not keep up.
SELECT
    schemaname,
    relname AS tablename,
    pg_size_pretty(pg_total_relation_size(relid)) AS size,
    n_live_tup,
    n_dead_tup,
    last_autovacuum
FROM pg_stat_user_tables
ORDER BY n_dead_tup DESC;
