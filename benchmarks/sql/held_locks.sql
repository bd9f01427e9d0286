-- The locks of the migration that stop somebody's work, as they are at this moment.
SELECT c.relname::text, l.mode
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.application_name = 'vsl migrate'
    AND a.datname = current_database()
    AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND c.relkind IN ('r', 'p', 'i')
    AND c.oid >= 16384
    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
