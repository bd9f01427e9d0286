-- Which server is to be tuned, and what this role may see of it. is_local: the session comes over a socket of the
-- server's own machine. statements_schema: of pg_stat_statements, where it
-- is installed in this database.
SELECT
    current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('server_version') AS version,
    current_database()::text AS database,
    current_user::text AS role,
    r.rolsuper AS is_superuser,
    pg_has_role('pg_read_all_settings', 'USAGE') AS sees_settings,
    inet_client_addr() IS NULL AS is_local,
    current_setting('rds.extensions', true) IS NOT NULL OR EXISTS (SELECT FROM pg_settings s WHERE s.name LIKE 'rds.%%') AS is_rds,
    to_regproc('pg_catalog.aurora_version') IS NOT NULL OR to_regproc('aurora_version') IS NOT NULL AS is_aurora,
    EXISTS (SELECT FROM pg_available_extensions e WHERE e.name = 'pg_stat_statements') AS has_statements_library,
    (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements') AS statements_schema,
    clock_timestamp() AS at
FROM pg_roles r
WHERE r.rolname = current_user;
