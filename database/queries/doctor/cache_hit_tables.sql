-- The share of reads of table blocks that shared_buffers answered since the snapshot, in percent.
-- A ratio over the life of a server says nothing about today, and fewer than 10,000 reads say nothing.
WITH compared AS MATERIALIZED (
    SELECT * FROM vsl.health_window()
),
tables AS (
    SELECT
        n.value ->> 'name' AS name,
        greatest((n.value ->> 'heap_hit')::float8 - coalesce((w.earlier -> 'tables' -> n.key ->> 'heap_hit')::float8, 0), 0) AS hit,
        greatest((n.value ->> 'heap_read')::float8 - coalesce((w.earlier -> 'tables' -> n.key ->> 'heap_read')::float8, 0), 0) AS read
    FROM compared w
    CROSS JOIN LATERAL jsonb_each(w.current -> 'tables') n
    WHERE w.missing IS NULL
),
summed AS (
    SELECT
        coalesce(sum(t.hit), 0) AS hit,
        coalesce(sum(t.hit + t.read), 0) AS all_reads,
        (array_agg(t.name ORDER BY t.read DESC))[1] AS worst,
        max(t.read) AS worst_read
    FROM tables t
)
SELECT
    'tables' AS subject,
    CASE WHEN s.all_reads >= 10000 THEN 100 * s.hit / s.all_reads END AS value,
    CASE
        WHEN w.missing IS NOT NULL OR s.all_reads < 10000 THEN 'note'
        -- A server that has just started must fill its cache first.
        WHEN s.hit < 0.99 * s.all_reads AND w.earlier ->> 'started_at' <> w.current ->> 'started_at' THEN 'note'
    END AS level,
    CASE
        WHEN w.missing IS NOT NULL THEN w.missing
        WHEN s.all_reads < 10000 THEN format('only %s blocks were read since %s: too few to tell', s.all_reads, date_trunc('second', w.began))
        ELSE
            format('%s blocks were read since %s, %s %% of them in shared_buffers', s.all_reads, date_trunc('second', w.began), round((100 * s.hit / s.all_reads)::numeric, 1))
            || CASE WHEN s.worst_read > 0 THEN format('; most of the others (%s) are of %s', s.worst_read, s.worst) ELSE '' END
            || CASE WHEN w.earlier ->> 'started_at' <> w.current ->> 'started_at' THEN '; the server has started since' ELSE '' END
    END AS evidence,
    CASE WHEN w.missing IS NOT NULL OR s.all_reads < 10000 THEN 'Ask again later: vsl db doctor' END AS next,
    NULL::text AS unknown
FROM compared w, summed s;
