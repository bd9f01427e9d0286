-- What this database has counted, and since when: blocks found in memory and read, files for
-- what did not fit into work_mem, and the clients that are connected now.
SELECT
    d.stats_reset AS since,
    d.xact_commit AS commits,
    d.blks_hit AS hit,
    d.blks_read AS read,
    d.temp_files,
    d.temp_bytes,
    pg_postmaster_start_time() AS started_at,
    (
        SELECT count(*) FROM pg_stat_activity a
        WHERE a.backend_type = 'client backend' OR a.backend_type IS NULL AND a.datid IS NOT NULL
    ) AS connected
FROM pg_stat_database d
WHERE d.datname = current_database();
