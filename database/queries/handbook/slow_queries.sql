-- The slowest statements on average; needs the extension pg_stat_statements.
SELECT query, mean_exec_time, calls
FROM pg_stat_statements
ORDER BY mean_exec_time DESC
LIMIT 10;
