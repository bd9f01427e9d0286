-- Sessions of all databases, with ages in seconds.
-- Of sessions of others, a role without pg_read_all_stats is told only user, database and application:
-- such are hidden.
SELECT
    a.pid,
    a.backend_start AS started_at,
    a.usename::text AS user_name,
    coalesce(a.application_name, '') AS application,
    a.datname::text AS database,
    host(a.client_addr) AS client,
    coalesce(a.backend_type, 'client backend') AS kind,
    a.state,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_age,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_age,
    a.wait_event_type,
    a.wait_event,
    CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
    a.backend_type IS NULL AS is_hidden,
    a.pid = pg_backend_pid() AS is_own,
    -- It may hold prompts.
    CASE WHEN %(with_queries)s::boolean AND a.backend_type IS NOT NULL THEN left(a.query, 4000) END AS query
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend'
    OR a.backend_type IS NULL AND a.datid IS NOT NULL AND a.usesysid IS NOT NULL
    OR %(all_kinds)s::boolean
ORDER BY a.backend_start NULLS LAST, a.pid;
