-- How many connections the server, this database and this role may have, -1 for any number, and what is reserved.
SELECT
    current_setting('max_connections')::integer AS server,
    current_setting('superuser_reserved_connections')::integer AS for_superusers,
    -- Members of pg_use_reserved_connections, from 16 on; and the administrator of RDS.
    coalesce(current_setting('reserved_connections', true)::integer, 0)
        + coalesce(current_setting('rds.rds_superuser_reserved_connections', true)::integer, 0) AS for_members,
    d.datconnlimit AS database,
    r.rolconnlimit AS role
FROM pg_database d
CROSS JOIN pg_roles r
WHERE d.datname = current_database() AND r.rolname = current_user;
