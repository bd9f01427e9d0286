-- How many bytes a day the database grows, from the sizes in snapshots: the newest of a week ago, else
-- the oldest of at least six hours ago. PostgreSQL cannot tell how much of the disk is free.
WITH present AS MATERIALIZED (
    SELECT vsl.measure_health() AS measures
),
earlier AS (
    SELECT s.taken_at, (s.measures #>> '{database,size}')::float8 AS size, extract(epoch FROM now() - s.taken_at)::float8 / 86400 AS days
    FROM vsl.health_snapshots s, present p
    WHERE s.taken_at <= now() - interval '6 hours'
        -- The same database; that its counters began anew does not matter to its size.
        AND s.measures #> '{identity,system}' = p.measures #> '{identity,system}'
        AND s.measures #> '{identity,database}' = p.measures #> '{identity,database}'
        AND s.measures #>> '{database,size}' IS NOT NULL
    ORDER BY
        s.taken_at > now() - interval '7 days',
        CASE WHEN s.taken_at <= now() - interval '7 days' THEN s.taken_at END DESC,
        s.taken_at
    LIMIT 1
),
moved AS (
    SELECT e.taken_at, n.size, (n.size - e.size) / e.days AS a_day
    FROM (SELECT (p.measures #>> '{database,size}')::float8 AS size FROM present p) n
    LEFT JOIN earlier e ON true
)
SELECT
    current_database()::text AS subject,
    m.a_day AS value,
    CASE WHEN m.a_day >= 1024 ^ 3 AND m.a_day >= 0.05 * m.size THEN 'note' ELSE 'ok' END AS level,
    format('the database has %s', pg_size_pretty(m.size::bigint))
    || CASE
        WHEN m.a_day IS NULL THEN '; there is no snapshot of six hours ago yet, to see it grow'
        WHEN m.a_day <= 0 THEN format(' and did not grow since %s', date_trunc('second', m.taken_at))
        ELSE format(
            ' and grew by %s a day since %s, which doubles it in %s days', pg_size_pretty(m.a_day::bigint), date_trunc('second', m.taken_at),
            ceil(m.size / m.a_day)
        )
    END
    || '; the free space of the disk cannot be told from inside the database' AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM moved m;
