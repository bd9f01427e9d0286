-- How far a process is with vacuuming, analyzing or building an index: its phase, and what is done of what, when
-- the phase counts.
SELECT p.phase, p.done, p.total
FROM (
    SELECT v.pid, v.phase, v.heap_blks_scanned AS done, v.heap_blks_total AS total FROM pg_stat_progress_vacuum v
    UNION ALL
    SELECT a.pid, a.phase, a.sample_blks_scanned, a.sample_blks_total FROM pg_stat_progress_analyze a
    UNION ALL
    SELECT
        i.pid,
        i.phase,
        CASE WHEN i.tuples_total > 0 THEN i.tuples_done WHEN i.blocks_total > 0 THEN i.blocks_done ELSE i.lockers_done END,
        CASE WHEN i.tuples_total > 0 THEN i.tuples_total WHEN i.blocks_total > 0 THEN i.blocks_total ELSE i.lockers_total END
    FROM pg_stat_progress_create_index i
) p
WHERE p.pid = %(pid)s::integer AND p.phase IS NOT NULL;
