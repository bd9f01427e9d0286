-- Let this transaction only read, and neither run long nor wait long for a lock.
SELECT count(set_config(s.name, s.value, true))
FROM (
    VALUES
        ('transaction_read_only', 'on'),
        ('statement_timeout', '10s'),
        ('lock_timeout', '1s'),
        ('search_path', 'pg_catalog, pg_temp')
) AS s (name, value);
