-- Who has the runners' lock. Of other logins' sessions the times are for members of pg_monitor only.
SELECT l.pid, a.usename::text AS login, a.application_name AS application, a.state,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS seconds
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    -- Two integers as the lock's table shows them, without signs.
    AND l.classid::bigint = hashtext('vsl')::bigint & 4294967295
    AND l.objid::bigint = hashtext('migrate')::bigint & 4294967295;
