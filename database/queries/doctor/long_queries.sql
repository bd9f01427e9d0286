-- How long statements of this database have been running, in seconds.
-- Not counted: dumps, vacuum, analyze, builds of indexes, senders of WAL, the doctor itself, and statements
-- that carry the comment /* vsl:long */ at their beginning. The text is not shown: it can hold what people wrote.
SELECT
    format('process %s', a.pid) AS subject,
    extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS value,
    NULL::text AS level,
    format(
        '%s as %s, %s statement%s%s',
        coalesce(nullif(a.application_name, ''), 'a client without a name'),
        a.usename,
        coalesce(upper(substring(ltrim(regexp_replace(a.query, '^\s*(/\*.*?\*/|--[^\n]*\n)', '')) FROM '^[[:alpha:]]+')), 'a'),
        CASE WHEN a.wait_event_type = 'Lock' THEN ', waits for a lock' ELSE '' END,
        CASE WHEN a.backend_xmin IS NOT NULL THEN format(', holds back vacuum by %s transactions', age(a.backend_xmin)) ELSE '' END
    ) AS evidence,
    format('vsl db kill %s', a.pid) AS next,
    NULL::text AS unknown
FROM pg_stat_activity a
WHERE a.state = 'active'
    AND a.backend_type = 'client backend'
    AND a.datname = current_database()
    AND a.pid <> pg_backend_pid()
    AND a.application_name NOT IN ('vsl doctor', 'pg_dump', 'pg_dumpall', 'pg_restore')
    AND a.query !~* 'vsl:long'
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum p WHERE p.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_analyze p WHERE p.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_cluster p WHERE p.pid = a.pid)
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
