-- Whom a process waits for; process 0 is a prepared transaction.
SELECT
    b.pid,
    a.usename::text AS user_name,
    coalesce(a.application_name, '') AS application,
    a.backend_type AS kind,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age,
    a.backend_type = 'autovacuum worker' AS is_vacuum
FROM (SELECT DISTINCT unnest(pg_blocking_pids(%(pid)s::integer)) AS pid) b
LEFT JOIN pg_stat_activity a ON a.pid = b.pid
ORDER BY b.pid;
