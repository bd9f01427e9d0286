-- What is known of slow statements: pg_stat_statements and where it is, and what the log takes.
-- Settings that this role may not see are NULL.
SELECT
    (
        SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'
    ) AS extension_schema,
    EXISTS (SELECT FROM pg_available_extensions x WHERE x.name = 'pg_stat_statements') AS is_available,
    (SELECT s.setting FROM pg_settings s WHERE s.name = 'shared_preload_libraries') AS preloaded,
    (SELECT s.setting::bigint FROM pg_settings s WHERE s.name = 'log_min_duration_statement') AS logged_from,
    (SELECT s.source FROM pg_settings s WHERE s.name = 'log_min_duration_statement') AS logged_by,
    to_regrole('rds_superuser') IS NOT NULL AS is_rds,
    current_setting('server_version_num')::integer / 10000 AS major,
    current_database()::text AS database,
    current_user::text AS role,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all;
