-- Who has a lock on a table or its TOAST table that keeps vacuum out: another vacuum, a build of an index, a
-- change of the table. No process for a prepared transaction.
SELECT DISTINCT
    l.pid,
    a.usename::text AS user_name,
    coalesce(a.application_name, '') AS application,
    a.backend_type AS kind,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age,
    a.backend_type = 'autovacuum worker' OR EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = l.pid) AS is_vacuum
FROM pg_class c
JOIN pg_locks l ON l.relation IN (c.oid, c.reltoastrelid)
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE c.oid = %(relation)s::bigint::oid
    AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND l.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY l.pid;
