-- Sessions that hold or want one of VSL's own locks in this database, such as migrate or maintain, by its name.
SELECT
    l.pid,
    a.usename::text AS user_name,
    coalesce(a.application_name, '') AS application,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS age
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 2
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.classid = hashtext('vsl')::oid AND l.objid = hashtext(%(name)s::text)::oid
    AND l.pid <> pg_backend_pid()
ORDER BY l.granted DESC, l.pid;
