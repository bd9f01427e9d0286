-- Tables with their size in bytes by its parts, the largest first.
-- Exact sizes need a moment's lock on each table; the others come from what the last vacuum wrote down.
SELECT
    t.schema,
    t.name,
    CASE WHEN t.rows > 0 OR t.is_counted OR t.total = t.indexes + t.toast THEN t.rows END AS rows,
    t.total - t.indexes - t.toast AS heap,
    t.indexes,
    t.toast,
    t.total
FROM (
    SELECT
        n.nspname::text AS schema,
        c.relname::text AS name,
        c.reltuples >= 0 AS is_counted,
        -- What the table has now, unless the counters were lost since the last vacuum or analyze.
        CASE
            WHEN c.reltuples < 0 OR greatest(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL
                THEN coalesce(s.n_live_tup, 0)
            ELSE c.reltuples::bigint
        END AS rows,
        z.indexes,
        z.toast,
        CASE WHEN %(exact)s::boolean THEN coalesce(pg_total_relation_size(c.oid), 0)
            ELSE c.relpages * p.page + z.indexes + z.toast END AS total
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    CROSS JOIN (SELECT current_setting('block_size')::bigint AS page) p
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN %(exact)s::boolean THEN coalesce(pg_indexes_size(c.oid), 0)
                ELSE coalesce((
                    SELECT sum(x.relpages) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid
                )::bigint * p.page, 0) END AS indexes,
            CASE WHEN %(exact)s::boolean THEN coalesce(pg_total_relation_size(c.reltoastrelid), 0)
                ELSE coalesce((
                    SELECT sum(x.relpages) FROM pg_class x
                    WHERE x.oid = c.reltoastrelid
                        OR x.oid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.reltoastrelid)
                )::bigint * p.page, 0) END AS toast
    ) z
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
        AND (n.nspname IN ('public', 'vsl') OR %(all_schemas)s::boolean AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema'))
) t
ORDER BY t.total DESC, t.schema, t.name;
