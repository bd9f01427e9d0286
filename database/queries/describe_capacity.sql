-- How many connections the server has for an application, who else limits them, and how many are there now.
SELECT
    current_setting('max_connections')::integer AS max_connections,
    current_setting('superuser_reserved_connections')::integer AS superuser_reserved,
    -- Members of pg_use_reserved_connections, from 16 on; and the administrator of RDS.
    coalesce(current_setting('reserved_connections', true)::integer, 0)
        + coalesce(current_setting('rds.rds_superuser_reserved_connections', true)::integer, 0) AS reserved,
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database,
    (SELECT min(rolconnlimit) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolconnlimit >= 0) AS login,
    current_setting('max_wal_senders')::integer AS max_wal_senders,
    -- Whoever may not see the kind of a session sees in which database it is, which only sessions of clients
    -- and a few helpers have.
    (
        SELECT count(*) FILTER (WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL))
        FROM pg_stat_activity
    ) AS connected;
