-- Who uses the original tables, or those that refer to them, at this moment: any lock is in the way of one that keeps all others out.
-- No process for a prepared transaction.
SELECT DISTINCT
    l.pid,
    a.usename::text AS user_name,
    a.application_name AS application,
    a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    AND c.oid IN (
        SELECT o.oid
        FROM pg_catalog.pg_class o
        WHERE o.relnamespace = to_regnamespace('public') AND o.relkind = 'r'
            AND o.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences')
        UNION ALL
        SELECT f.conrelid
        FROM pg_catalog.pg_constraint f
        JOIN pg_catalog.pg_class o ON o.oid = f.confrelid
        WHERE f.contype = 'f' AND o.relnamespace = to_regnamespace('public')
            AND o.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences')
    )
ORDER BY l.pid;
