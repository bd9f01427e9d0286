-- How long sessions of this database have waited for their clients in the middle of a transaction, in seconds.
-- What a session last ran is not shown: it can hold what people wrote.
SELECT
    format('process %s', a.pid) AS subject,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS value,
    NULL::text AS level,
    format(
        '%s as %s, idle in a transaction that began %s s ago%s',
        coalesce(nullif(a.application_name, ''), 'a client without a name'),
        a.usename,
        round(extract(epoch FROM clock_timestamp() - a.xact_start)),
        CASE
            WHEN coalesce(a.backend_xmin, a.backend_xid) IS NULL THEN ''
            ELSE format(
                ' and %sholds back vacuum by %s transactions',
                CASE WHEN a.backend_xid IS NOT NULL THEN 'has written, ' ELSE '' END,
                greatest(age(a.backend_xmin), age(a.backend_xid))
            )
        END
    ) AS evidence,
    format('vsl db kill %s', a.pid) AS next,
    NULL::text AS unknown
FROM pg_stat_activity a
WHERE a.state IN ('idle in transaction', 'idle in transaction (aborted)')
    AND a.datname = current_database()
    AND a.pid <> pg_backend_pid()
    AND a.application_name <> 'vsl doctor'
UNION ALL
SELECT
    'sessions of other roles',
    NULL,
    NULL,
    format('%s sessions are hidden', count(*)),
    format(
        'GRANT %s TO %I;',
        CASE
            WHEN EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = 'pg_monitor'::regrole AND m.member = to_regrole('vsl_monitor'))
                THEN 'vsl_monitor'
            ELSE 'pg_monitor'
        END,
        session_user
    ),
    'this login may not see what sessions of other roles do'
FROM pg_stat_activity a
WHERE a.usesysid IS NOT NULL AND a.query = '<insufficient privilege>' AND a.datname = current_database()
HAVING count(*) > 0;
