-- Size of each of VSL's tables with its indexes, largest first.
SELECT
    schemaname,
    tablename,
    pg_size_pretty(pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass)) AS size
FROM pg_tables
WHERE schemaname IN ('public', 'vsl')
ORDER BY pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass) DESC;
