-- Settings that were changed and wait for the server to start anew.
SELECT
    s.name AS subject,
    NULL::float8 AS value,
    'warn' AS level,
    format('%s has another value in the configuration, which takes effect at the next start of the server', s.name) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM pg_settings s
WHERE s.pending_restart
UNION ALL
SELECT
    'settings',
    NULL,
    NULL,
    'some settings are for superusers and members of pg_read_all_settings',
    format('GRANT pg_read_all_settings TO %I;', current_user),
    'some settings are hidden from this login'
WHERE NOT pg_has_role('pg_read_all_settings', 'USAGE');
