-- Sessions that have been idle for so many seconds; with act, end them in the same breath.
-- A session counts by process and start, for numbers of processes are used again. What is kept says
-- why: it listens for a worker, runs VSL's migrations, is a superuser's, or may not be signalled.
WITH idle AS MATERIALIZED (
    SELECT
        a.pid,
        a.backend_start AS started_at,
        a.usename::text AS user_name,
        a.application_name AS application,
        a.datname::text AS database,
        host(a.client_addr) AS client,
        a.state,
        extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_age,
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_age,
        CASE
            WHEN a.application_name LIKE 'vsl listen%%' AND %(application)s::text IS NULL THEN 'listens'
            WHEN a.application_name LIKE 'vsl migrate%%' OR EXISTS (
                SELECT FROM pg_locks l
                WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 2
                    AND l.classid = hashtext('vsl')::oid AND l.objid = hashtext('migrate')::oid
            ) THEN 'migrates'
            WHEN r.rolsuper AND NOT me.rolsuper THEN 'superuser'
            WHEN NOT pg_has_role(a.usesysid, 'USAGE') AND NOT pg_has_role('pg_signal_backend', 'USAGE') THEN 'not_permitted'
        END AS kept
    FROM pg_stat_activity a
    JOIN pg_roles r ON r.oid = a.usesysid
    JOIN pg_roles me ON me.rolname = current_user
    WHERE a.backend_type = 'client backend'
        AND a.pid <> pg_backend_pid()
        AND a.state = ANY (%(states)s::text[])
        AND a.state_change <= clock_timestamp() - make_interval(secs => %(idle)s::float8)
        AND (%(all_databases)s::boolean OR a.datname = current_database())
        AND (%(user_name)s::text IS NULL OR a.usename = %(user_name)s::text)
        AND (
            %(application)s::text IS NULL
            OR a.application_name = %(application)s::text
            -- What follows the words of an application is which one it is: vsl worker HOST:PID.
            OR starts_with(a.application_name, %(application)s::text || ' ')
        )
        AND (
            %(pids)s::integer[] IS NULL
            OR EXISTS (
                SELECT FROM unnest(%(pids)s::integer[], %(starts)s::timestamptz[]) p (pid, started_at)
                WHERE p.pid = a.pid AND p.started_at = a.backend_start
            )
        )
)
SELECT
    i.pid,
    i.started_at,
    i.user_name,
    i.application,
    i.database,
    i.client,
    i.state,
    i.state_age,
    i.transaction_age,
    i.kept,
    CASE WHEN %(act)s::boolean AND i.kept IS NULL THEN pg_terminate_backend(i.pid) END AS was_signalled
FROM idle i
ORDER BY i.state_age DESC, i.pid;
