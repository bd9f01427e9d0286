-- How long the oldest job of each lane has been due without anybody taking it, in seconds.
-- Whether the lane has a worker is told by what is held there; a worker whose jobs are all done holds nothing.
WITH lanes AS (
    SELECT d.lane, min(d.due_at) AS oldest, count(*) AS due
    FROM vsl.dispatch d
    WHERE d.worker IS NULL AND d.due_at <= now()
    GROUP BY d.lane
),
held AS (
    SELECT d.lane, count(*) AS jobs, count(DISTINCT d.worker) AS workers
    FROM vsl.dispatch d
    WHERE d.worker IS NOT NULL AND d.lease_until > now()
    GROUP BY d.lane
),
seen AS (
    SELECT count(DISTINCT substr(a.application_name, 12)) AS workers
    FROM pg_stat_activity a
    WHERE a.application_name LIKE 'vsl worker %' AND a.datname = current_database()
)
SELECT
    format('lane %s', l.lane) AS subject,
    extract(epoch FROM clock_timestamp() - l.oldest)::float8 AS value,
    NULL::text AS level,
    format(
        '%s %s due; %s',
        l.due,
        CASE WHEN l.due = 1 THEN 'job is' ELSE 'jobs are' END,
        CASE
            WHEN h.jobs > 0 THEN format('%s of the lane run, at %s workers, which cannot keep up', h.jobs, h.workers)
            WHEN s.workers > 0 THEN format('nothing of the lane runs, though %s workers are connected: they serve other lanes, or hang', s.workers)
            ELSE 'nothing of the lane runs, and no worker is connected'
        END
    ) AS evidence,
    format('vsl worker --lanes %s', l.lane) AS next,
    NULL::text AS unknown
FROM lanes l
CROSS JOIN seen s
LEFT JOIN held h ON h.lane = l.lane;
