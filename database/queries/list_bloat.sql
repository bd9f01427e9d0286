-- How many pages each of VSL's tables and B-tree indexes would need, beside those that it has.
-- Expected: rows, as wide as the last analyze found them, with the headers of a row and of a page, at
-- the fill factor. NULL where a column's width is not known. Of an index that keeps equal keys in one
-- entry the expected size is too large, so what is empty in it may be more.
WITH widths AS MATERIALIZED (
    SELECT w.schema_name, w.relation_name, w.column_name, w.avg_width * (1 - w.null_share) AS width, w.null_share > 0 AS has_nulls
    FROM vsl.column_widths() w
),
tables AS (
    SELECT
        n.nspname::text AS schema, c.relname::text AS table_name, NULL::text AS index_name,
        c.relpages::bigint AS pages, c.reltuples::float8 AS rows,
        (SELECT max(x.option_value::integer) FROM pg_options_to_table(c.reloptions) x WHERE x.option_name = 'fillfactor') AS fillfactor,
        100 AS usual_fillfactor, 24 AS page_header,
        -- A row's header of 23 bytes, with a bit for each column when one is NULL, aligned to 8.
        CASE WHEN w.has_nulls THEN 8 * ceil((23 + ceil(w.columns / 8.0)) / 8) ELSE 24 END::float8 AS header,
        CASE WHEN w.known = w.columns THEN w.width END AS width
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT count(*) AS columns, count(s.width) AS known, sum(s.width)::float8 AS width, coalesce(bool_or(s.has_nulls), false) AS has_nulls
        FROM pg_attribute a
        LEFT JOIN widths s ON s.schema_name = n.nspname AND s.relation_name = c.relname AND s.column_name = a.attname
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) w
    WHERE c.relkind IN ('r', 'm') AND n.nspname IN ('public', 'vsl')
),
indexes AS (
    SELECT
        n.nspname::text, t.relname::text, c.relname::text,
        c.relpages::bigint, c.reltuples::float8,
        (SELECT max(x.option_value::integer) FROM pg_options_to_table(c.reloptions) x WHERE x.option_name = 'fillfactor'),
        90, 40,
        CASE WHEN w.has_nulls THEN 16 ELSE 8 END::float8,
        CASE WHEN w.known = w.columns THEN w.width END
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_class t ON t.oid = i.indrelid AND t.relkind IN ('r', 'm')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT count(*) AS columns, count(s.width) AS known, sum(s.width)::float8 AS width, coalesce(bool_or(s.has_nulls), false) AS has_nulls
        FROM pg_attribute a
        -- A column's statistics are the table's, an expression's are the index's.
        LEFT JOIN pg_attribute b ON b.attrelid = t.oid AND b.attnum = i.indkey[a.attnum - 1] AND b.attnum > 0
        LEFT JOIN widths s
            ON s.schema_name = n.nspname
            AND s.relation_name = CASE WHEN b.attname IS NULL THEN c.relname ELSE t.relname END
            AND s.column_name = coalesce(b.attname, a.attname)
        WHERE a.attrelid = c.oid
    ) w
    WHERE n.nspname IN ('public', 'vsl') AND i.indisvalid
)
SELECT
    b.schema,
    b.table_name,
    b.index_name,
    b.pages,
    CASE
        WHEN b.rows = 0 THEN CASE WHEN b.index_name IS NULL THEN 0 ELSE 1 END
        WHEN b.rows > 0 THEN
            ceil(
                -- Rows are aligned to 8 bytes and have a pointer of 4 on their page.
                b.rows * (8 * ceil((b.header + b.width) / 8) + 4)
                / ((p.page - b.page_header) * coalesce(b.fillfactor, b.usual_fillfactor) / 100.0)
            ) + CASE WHEN b.index_name IS NULL THEN 0 ELSE 1 END
    END::bigint AS needed,
    p.page AS page_size
FROM (SELECT * FROM tables UNION ALL SELECT * FROM indexes) b
CROSS JOIN (SELECT current_setting('block_size')::bigint AS page) p
ORDER BY b.schema, b.table_name, b.index_name NULLS FIRST;
