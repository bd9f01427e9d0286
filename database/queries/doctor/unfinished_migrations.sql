-- Migrations that are recorded as running or failed, and not finished by anybody.
SELECT
    format('migration %s', m.version) AS subject,
    m.statements_done::float8 AS value,
    CASE WHEN m.state = 'running' AND r.runners > 0 THEN 'ok' ELSE 'fail' END AS level,
    format(
        '%s, since %s; %s of its statements are done%s',
        m.state, to_char(m.applied_at, 'YYYY-MM-DD HH24:MI:SS TZ'), coalesce(m.statements_done, 0),
        CASE
            WHEN m.state <> 'running' THEN ''
            WHEN r.runners > 0 THEN ', and a runner is at work'
            ELSE ', and no runner is at work'
        END
    ) AS evidence,
    'vsl db migrate'::text AS next,
    NULL::text AS unknown
FROM public.schema_migrations m
CROSS JOIN (
    SELECT count(*) AS runners FROM pg_stat_activity a
    WHERE a.application_name LIKE 'vsl migrate%' AND a.datname = current_database()
) r
WHERE m.state IN ('running', 'failed');
