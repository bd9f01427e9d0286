-- How large the tables of some names are, or the tables of some indexes, as the server last counted.
-- For `vsl db lint`. Reads the catalogue only, so it waits for no lock; what was never analysed has no rows here.
-- Partitions count for their table.
WITH RECURSIVE asked AS (
    SELECT DISTINCT a.schema, a.name
    FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS a (schema, name)
), found AS (
    SELECT a.schema, a.name, c.oid AS asked, coalesce(i.indrelid, c.oid) AS relation,
        coalesce(i.indisunique, false) AS is_unique_index
    FROM asked a
    JOIN pg_catalog.pg_namespace n ON n.nspname = a.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = a.name
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I')
), tree AS (
    SELECT f.asked, f.relation FROM found f
    UNION
    SELECT t.asked, h.inhrelid FROM tree t JOIN pg_catalog.pg_inherits h ON h.inhparent = t.relation
), sizes AS (
    SELECT t.asked,
        CASE WHEN bool_and(c.reltuples >= 0) THEN sum(c.reltuples) END AS row_count,
        sum(c.relpages::bigint + coalesce(o.relpages, 0)) AS pages
    FROM tree t
    JOIN pg_catalog.pg_class c ON c.oid = t.relation AND c.relkind IN ('r', 'm')
    LEFT JOIN pg_catalog.pg_class o ON o.oid = c.reltoastrelid
    GROUP BY t.asked
)
SELECT f.schema, f.name, tn.nspname::text AS table_schema, tc.relname::text AS table_name,
    f.is_unique_index,
    coalesce(p.partdefid <> 0, false) AS has_default_partition,
    CASE WHEN s.asked IS NULL THEN 0 ELSE s.row_count::bigint END AS row_count,
    CASE
        WHEN s.asked IS NULL THEN 0
        WHEN s.row_count IS NOT NULL
            THEN (s.pages * current_setting('block_size')::integer)::bigint
    END AS byte_count
FROM found f
JOIN pg_catalog.pg_class tc ON tc.oid = f.relation
JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = f.relation
LEFT JOIN sizes s ON s.asked = f.asked
ORDER BY f.schema, f.name;
