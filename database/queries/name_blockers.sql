-- Whom a session waits for. Process 0 is a prepared transaction. Never the text of a statement.
SELECT b.pid, a.usename::text AS login, a.application_name AS application, a.state,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8 AS seconds
FROM (SELECT DISTINCT unnest(pg_catalog.pg_blocking_pids(%(pid)s::integer)) AS pid) b
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
ORDER BY b.pid;
