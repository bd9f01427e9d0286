-- How many bytes the statement of this database that writes the largest temporary files writes each time it
-- runs; NULL when none does. From pg_stat_statements in whatever schema it is.
SELECT max(s.temp_blks_written * current_setting('block_size')::bigint / greatest(s.calls, 1))::bigint AS bytes
FROM {schema}.pg_stat_statements s
WHERE s.temp_blks_written > 0
    AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database());
