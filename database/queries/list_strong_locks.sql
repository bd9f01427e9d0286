-- Locks on tables of this database that keep out more than a change of the schema.
-- No process means a prepared transaction.
SELECT
    l.pid,
    l.mode,
    n.nspname || '.' || c.relname AS object
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.granted
    AND l.locktype = 'relation'
    AND l.database IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND l.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY l.pid, object, l.mode;
