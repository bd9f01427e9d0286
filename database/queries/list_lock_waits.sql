-- Who waits for a lock, on what, for how many seconds, and the processes in the way.
-- Process 0 is a prepared transaction.
SELECT
    l.pid,
    l.mode,
    CASE
        WHEN l.locktype = 'relation' THEN coalesce(n.nspname || '.' || c.relname, 'a table of another database')
        WHEN l.locktype IN ('tuple', 'transactionid') THEN coalesce(
            'a row of ' || n.nspname || '.' || c.relname,
            -- Who waits for the transaction that has a row holds its place in the row's queue.
            (
                SELECT 'a row of ' || nt.nspname || '.' || ct.relname
                FROM pg_locks t
                JOIN pg_class ct ON ct.oid = t.relation
                JOIN pg_namespace nt ON nt.oid = ct.relnamespace
                WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted
                LIMIT 1
            ),
            'the end of a transaction'
        )
        WHEN l.locktype = 'virtualxid' THEN 'the end of a transaction'
        WHEN l.locktype = 'advisory' THEN format('advisory lock %%s, %%s', l.classid, l.objid)
        ELSE l.locktype || coalesce(' of ' || n.nspname || '.' || c.relname, '')
    END AS object,
    extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS waited,
    pg_blocking_pids(l.pid) AS blocked_by
FROM pg_locks l
LEFT JOIN pg_class c ON c.oid = l.relation AND l.database IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT l.granted AND l.pid IS NOT NULL
ORDER BY l.waitstart NULLS LAST, l.pid;
