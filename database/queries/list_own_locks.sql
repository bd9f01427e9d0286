-- The locks on relations, outside of the catalogue, that this transaction holds.
SELECT c.oid::bigint AS relation, n.nspname || '.' || c.relname AS name, c.relkind::text AS kind, l.mode
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
