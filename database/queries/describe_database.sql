-- The database that is looked at, who looks, and since when its counters count.
-- What is not known is NULL.
SELECT
    d.datname::text AS name,
    CASE
        WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(d.oid)
    END AS bytes,
    pg_stat_get_db_stat_reset_time(d.oid) AS counted_since,
    pg_postmaster_start_time() AS started_at,
    current_user::text AS role,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM pg_database d
WHERE d.datname = current_database();
