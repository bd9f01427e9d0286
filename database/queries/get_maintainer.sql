-- Who is about to maintain which server, and what it may see. data_directory: NULL when this role may not see
-- it. is_local: the session comes over a socket of the server's own machine.
SELECT
    current_setting('server_version_num')::integer / 10000 AS major,
    current_user::text AS role,
    current_database()::text AS database,
    pg_backend_pid() AS pid,
    pg_is_in_recovery() AS is_standby,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS data_directory,
    inet_client_addr() IS NULL AS is_local;
