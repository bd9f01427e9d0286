-- One process of the server: who it is, what it does, and whom it is in the way of.
-- Nothing is told of what its statements say. may_signal follows the server's own rule.
SELECT
    a.pid,
    a.backend_start AS started_at,
    a.usename::text AS user_name,
    coalesce(a.application_name, '') AS application,
    a.datname::text AS database,
    host(a.client_addr) AS client,
    a.backend_type AS kind,
    a.state,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_age,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_age,
    a.query_start,
    a.wait_event_type,
    a.wait_event,
    (to_jsonb(a) ->> 'leader_pid')::integer AS leader_pid,
    a.pid = pg_backend_pid() AS is_own,
    coalesce(r.rolsuper, false) AS is_superuser,
    a.backend_type = 'autovacuum worker' AND a.query LIKE '%%(to prevent wraparound)%%' AS prevents_wraparound,
    CASE
        WHEN me.rolsuper THEN true
        WHEN a.usesysid IS NULL THEN
            -- From 18 on a role may signal autovacuum; before, only superusers may.
            a.backend_type = 'autovacuum worker'
            AND coalesce(pg_has_role(to_regrole('pg_signal_autovacuum_worker')::oid, 'USAGE'), false)
        WHEN r.rolsuper THEN false
        ELSE pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')
    END AS may_signal,
    ARRAY(
        SELECT DISTINCT l.pid FROM pg_locks l
        WHERE NOT l.granted AND l.pid <> a.pid AND a.pid = ANY (pg_blocking_pids(l.pid))
        ORDER BY l.pid
    ) AS blocks,
    EXISTS (
        SELECT FROM pg_locks l
        WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 2
            AND l.classid = hashtext('vsl')::oid AND l.objid = hashtext('migrate')::oid
    ) AS migrates
FROM pg_stat_activity a
LEFT JOIN pg_roles r ON r.oid = a.usesysid
JOIN pg_roles me ON me.rolname = current_user
WHERE a.pid = %(pid)s::integer;
