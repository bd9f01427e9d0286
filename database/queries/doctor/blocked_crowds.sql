-- How many sessions wait for locks, by the session at the root of the chain that blocks them.
-- Process 0 stands for a prepared transaction.
WITH RECURSIVE waiting AS MATERIALIZED (
    SELECT w.pid, w.since, b.blocker
    FROM (
        SELECT l.pid, min(l.waitstart) AS since FROM pg_locks l WHERE NOT l.granted AND l.pid IS NOT NULL GROUP BY l.pid
    ) w
    CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (blocker)
),
chains AS (
    SELECT w.pid, w.since, w.blocker AS root, 1 AS depth FROM waiting w
    UNION ALL
    -- A circle is the server's to break, within a second; the depth keeps this from walking it for ever.
    SELECT c.pid, c.since, w.blocker, c.depth + 1
    FROM chains c
    JOIN waiting w ON w.pid = c.root
    WHERE c.depth < 50
),
roots AS (
    SELECT c.root, count(DISTINCT c.pid) AS waiters, min(c.since) AS since, array_agg(DISTINCT c.pid) AS pids
    FROM chains c
    WHERE NOT EXISTS (SELECT FROM waiting w WHERE w.pid = c.root)
    GROUP BY c.root
)
SELECT
    CASE WHEN r.root = 0 THEN 'a prepared transaction' ELSE format('process %s', r.root) END AS subject,
    r.waiters::float8 AS value,
    NULL::text AS level,
    format(
        '%s %s for it, the longest for %s s (process %s)%s',
        r.waiters,
        CASE WHEN r.waiters = 1 THEN 'session waits' ELSE 'sessions wait' END,
        coalesce(round(extract(epoch FROM clock_timestamp() - r.since))::text, 'some'),
        array_to_string(r.pids[1:5], ', '),
        CASE
            WHEN a.pid IS NOT NULL THEN format(
                '; it is %s as %s, %s',
                coalesce(nullif(a.application_name, ''), a.backend_type, 'a client without a name'),
                coalesce(a.usename, 'the server'),
                coalesce(a.state, 'in a state that this login may not see')
            )
            ELSE ''
        END
    ) AS evidence,
    CASE WHEN r.root = 0 THEN 'vsl db doctor --only prepared-transactions' ELSE format('vsl db kill %s', r.root) END AS next,
    NULL::text AS unknown
FROM roots r
LEFT JOIN pg_stat_activity a ON a.pid = r.root;
