-- How much of each table is empty, in percent: its pages beside those that its rows would fill, by the
-- columns' average widths. An estimate; values kept apart (TOAST) are not in it. Tables of less than
-- 1,000 pages are left out; up to 10 MB of emptiness is a note at most; from then on half of the table
-- or 100 MB is a warning, 70 % or 1 GB a failure.
WITH widths AS MATERIALIZED (
    SELECT s.schemaname::text AS schema_name, s.tablename::text AS relation_name, s.attname::text AS column_name, s.avg_width, s.null_frac::float8 AS null_share
    FROM pg_stats s
    WHERE NOT s.inherited
    UNION
    SELECT w.* FROM vsl.column_widths() w
),
tables AS (
    SELECT
        c.oid,
        c.relpages::float8 AS pages,
        greatest(c.reltuples, 0)::float8 AS rows,
        coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor'), 100) / 100 AS fill,
        format('%I.%I', n.nspname, c.relname) AS name,
        -- Another access method lays out its pages in another way.
        m.amname = 'heap' AS is_heap,
        has_table_privilege(c.oid, 'SELECT') AS may_read,
        current_setting('block_size')::float8 AS block,
        k.*
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_am m ON m.oid = c.relam
    CROSS JOIN LATERAL (
        SELECT
            count(*) <> count(w.avg_width) AS lacks_widths,
            -- The header, with a bitmap when a column holds NULLs, and the values, each aligned to 8.
            8 * ceil((23 + CASE WHEN max(w.null_share) > 0 THEN ceil(count(*) / 8.0) ELSE 0 END) / 8.0)
            + 8 * ceil(sum((1 - w.null_share) * w.avg_width) / 8) AS width
        FROM pg_attribute a
        LEFT JOIN widths w ON w.schema_name = n.nspname AND w.relation_name = c.relname AND w.column_name = a.attname
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) k
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        AND c.relpages >= 1000
),
judged AS (
    SELECT
        t.*,
        greatest(1 - e.needed / t.pages, 0) AS share,
        greatest(t.pages - e.needed, 0) * t.block AS bytes
    FROM tables t
    CROSS JOIN LATERAL (SELECT ceil(t.rows * (t.width + 4) / ((t.block - 24) * t.fill)) AS needed) e
)
SELECT
    j.name AS subject,
    100 * j.share AS value,
    CASE
        WHEN j.bytes < 10 * 1024 ^ 2 THEN CASE WHEN j.share >= 0.5 THEN 'note' ELSE 'ok' END
        WHEN j.share >= 0.7 OR j.bytes >= 1024 ^ 3 THEN 'fail'
        WHEN j.share >= 0.5 OR j.bytes >= 100 * 1024 ^ 2 THEN 'warn'
        ELSE 'note'
    END AS level,
    format(
        'about %s of %s are empty (%s %%, an estimate)', pg_size_pretty(j.bytes::bigint), pg_size_pretty((j.pages * j.block)::bigint),
        round((100 * j.share)::numeric)
    ) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM judged j
WHERE j.is_heap AND NOT j.lacks_widths AND j.share > 0.3
UNION ALL
SELECT
    j.name,
    NULL,
    NULL,
    format('it has %s', pg_size_pretty((j.pages * j.block)::bigint)),
    CASE WHEN j.may_read THEN format('ANALYZE %s;', j.name) ELSE format('GRANT SELECT ON %s TO %I;', j.name, current_user) END,
    'the widths of its columns are not known: '
    || CASE WHEN j.may_read THEN 'it was not analyzed' ELSE 'this login may not read the table, and its statistics are hidden' END
FROM judged j
WHERE j.is_heap AND j.lacks_widths;
