-- Settings with which data can be lost, damaged or not looked after.
SELECT
    s.name AS subject,
    NULL::float8 AS value,
    r.level,
    format('%s is %s: %s', s.name, s.setting, r.evidence) AS evidence,
    CASE s.context
        WHEN 'postmaster' THEN format('ALTER SYSTEM RESET %s; and restart the server.', s.name)
        ELSE format('ALTER SYSTEM RESET %s; SELECT pg_reload_conf();', s.name)
    END AS next,
    NULL::text AS unknown
FROM pg_settings s
JOIN (
    VALUES
        ('fsync', 'off', 'fail', 'a crash of the machine can leave the database unusable'),
        ('full_page_writes', 'off', 'fail', 'a crash of the machine can leave damaged blocks'),
        ('zero_damaged_pages', 'on', 'fail', 'a damaged block is emptied instead of reported'),
        ('ignore_checksum_failure', 'on', 'fail', 'a damaged block is read as if it were sound'),
        ('ignore_system_indexes', 'on', 'warn', 'it is meant for the repair of a damaged catalogue'),
        ('track_activities', 'off', 'warn', 'what sessions do cannot be seen'),
        ('synchronous_commit', 'off', 'note', 'a crash loses the commits of the last moments, so a job that was sent may be sent and paid again')
) AS r (name, setting, level, evidence) ON r.name = s.name AND r.setting = s.reset_val
WHERE
    -- Aurora does without: its storage writes no torn pages.
    NOT (s.name = 'full_page_writes' AND EXISTS (SELECT FROM pg_proc p WHERE p.proname = 'aurora_version'))
UNION ALL
SELECT
    s.name,
    s.setting::float8,
    'warn',
    format('%s is %s: old rows are frozen so late that little is left before the server stops to save itself', s.name, s.setting),
    format('ALTER SYSTEM RESET %s; and restart the server.', s.name),
    NULL
FROM pg_settings s
WHERE s.name IN ('autovacuum_freeze_max_age', 'autovacuum_multixact_freeze_max_age') AND s.setting::bigint > 1000000000
UNION ALL
-- Set for one role or for one database.
SELECT
    format('synchronous_commit of %s', coalesce(r.rolname::text, 'all roles')),
    NULL,
    'note',
    'synchronous_commit is off there: a crash loses the commits of the last moments, so a job that was sent may be sent and paid again',
    CASE
        WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I RESET synchronous_commit;', current_database())
        WHEN c.setdatabase = 0 THEN format('ALTER ROLE %I RESET synchronous_commit;', r.rolname)
        ELSE format('ALTER ROLE %I IN DATABASE %I RESET synchronous_commit;', r.rolname, current_database())
    END,
    NULL
FROM pg_db_role_setting c
LEFT JOIN pg_roles r ON r.oid = c.setrole
WHERE (c.setdatabase = 0 OR c.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    AND 'synchronous_commit=off' = ANY (c.setconfig);
