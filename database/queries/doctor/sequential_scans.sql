-- The share of scans of each big table that read the whole of it since the snapshot, in percent: where
-- an index may be missing. Asked of tables with more than 10,000 rows that were read whole ten times.
WITH compared AS MATERIALIZED (
    SELECT * FROM vsl.health_window()
),
tables AS (
    SELECT
        c.reltuples,
        n.value ->> 'name' AS name,
        w.began,
        (n.value ->> 'seq_scan')::float8 - coalesce((w.earlier -> 'tables' -> n.key ->> 'seq_scan')::float8, 0) AS whole,
        (n.value ->> 'seq_rows')::float8 - coalesce((w.earlier -> 'tables' -> n.key ->> 'seq_rows')::float8, 0) AS rows,
        coalesce((n.value ->> 'idx_scan')::float8, 0) - coalesce((w.earlier -> 'tables' -> n.key ->> 'idx_scan')::float8, 0) AS by_index
    FROM compared w
    CROSS JOIN LATERAL jsonb_each(w.current -> 'tables') n
    JOIN pg_class c ON c.oid = n.key::oid
    -- A table that the snapshot did not know may be new, and was read to be filled.
    WHERE w.missing IS NULL AND w.earlier -> 'tables' ? n.key AND c.reltuples > 10000
)
SELECT
    t.name AS subject,
    100 * t.whole / (t.whole + t.by_index) AS value,
    'note' AS level,
    format(
        '%s of %s scans since %s read the whole table, %s rows each', t.whole, t.whole + t.by_index, date_trunc('second', t.began),
        round(t.rows / t.whole)
    ) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM tables t
WHERE t.whole >= 10 AND t.by_index >= 0 AND t.whole > 0.05 * (t.whole + t.by_index) AND t.rows / t.whole >= 10000
UNION ALL
SELECT 'tables', NULL, 'note', w.missing, 'Ask again later: vsl db doctor', NULL
FROM compared w
WHERE w.missing IS NOT NULL;
