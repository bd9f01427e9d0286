-- Transactions of this database that stand still, and since when: what they could see then they can see still.
SELECT a.pid, NULL::text AS name, a.state_change AS since
FROM pg_stat_activity a
WHERE a.state IN ('idle in transaction', 'idle in transaction (aborted)')
    AND a.datname = current_database()
    AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
UNION ALL
SELECT NULL, p.gid, p.prepared
FROM pg_prepared_xacts p
WHERE p.database = current_database();
