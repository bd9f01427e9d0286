-- Transactions of this database that were prepared and neither committed nor rolled back, with ages in seconds.
SELECT
    p.gid,
    p.owner::text AS user_name,
    extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS age
FROM pg_prepared_xacts p
WHERE p.database = current_database()
ORDER BY p.prepared;
