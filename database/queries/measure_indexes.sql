-- What maintenance goes by, for the indexes of each table of public and vsl and of its TOAST table, or of one
-- table: size, rows, validity, and for a B-tree how wide its entries are and how many differ. Widths come from
-- statistics, which a role sees of tables that it may read; NULL where one of them is not known.
SELECT
    c.oid::bigint AS index,
    m.oid::bigint AS relation,
    n.nspname::text AS schema,
    c.relname::text AS name,
    mn.nspname::text AS table_schema,
    m.relname::text AS table_name,
    a.amname::text AS method,
    t.oid <> m.oid AS is_toast,
    -- These two were written down at the same moment, so that they can be compared.
    c.relpages::bigint AS pages,
    c.reltuples::float8 AS rows,
    current_setting('block_size')::bigint AS page_size,
    CASE
        WHEN %(exact)s::boolean THEN coalesce(pg_relation_size(c.oid), 0)
        ELSE c.relpages * current_setting('block_size')::bigint
    END AS bytes,
    i.indisvalid AND i.indisready AS is_valid,
    i.indislive AS is_live,
    i.indisexclusion AS is_exclusion,
    -- The server keeps equal keys of such an index in one entry, unless it is told not to.
    NOT i.indisunique AND i.indnatts = i.indnkeyatts AND coalesce(o.deduplicates, true) AND w.equal_is_same AS may_deduplicate,
    coalesce(o.fillfactor, 90) AS fillfactor,
    w.width,
    w.has_nulls,
    w.different
FROM pg_class m
JOIN pg_namespace mn ON mn.oid = m.relnamespace
JOIN pg_class t ON t.oid IN (m.oid, m.reltoastrelid)
JOIN pg_index i ON i.indrelid = t.oid
JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL (
    SELECT
        max(x.option_value::integer) FILTER (WHERE x.option_name = 'fillfactor') AS fillfactor,
        bool_and(x.option_value::boolean) FILTER (WHERE x.option_name = 'deduplicate_items') AS deduplicates
    FROM pg_options_to_table(c.reloptions) x
) o
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN bool_and(k.width IS NOT NULL) THEN sum(k.width)::float8 END AS width,
        coalesce(bool_or(k.has_nulls), false) AS has_nulls,
        bool_and(k.equal_is_same) AS equal_is_same,
        -- As many combinations as there can be at most; NULL when one is not known.
        CASE WHEN bool_and(k.different > 0) THEN exp(least(sum(ln(greatest(k.different, 1))), 60))::float8 END AS different
    FROM (
        SELECT
            -- As if there were no nulls: an estimate that is too large hides bloat, one that is too small invents it.
            coalesce(s.avg_width, CASE WHEN f.attlen > 0 THEN f.attlen END) AS width,
            s.null_frac > 0 AS has_nulls,
            -- Equal numbers may be written 1.0 and 1.00; for types where that cannot be there is support function 4.
            EXISTS (
                SELECT FROM pg_opclass oc
                JOIN pg_amproc ap ON ap.amprocfamily = oc.opcfamily AND ap.amproclefttype = oc.opcintype AND ap.amprocrighttype = oc.opcintype
                WHERE oc.oid = i.indclass[f.attnum - 1] AND ap.amprocnum = 4
            ) AND NOT EXISTS (
                SELECT FROM pg_collation co WHERE co.oid = i.indcollation[f.attnum - 1] AND NOT co.collisdeterministic
            ) AS equal_is_same,
            CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * greatest(m.reltuples, 1) ELSE s.n_distinct END::float8 AS different
        FROM pg_attribute f
        -- A column's statistics are the table's, an expression's are the index's.
        LEFT JOIN pg_attribute b ON b.attrelid = t.oid AND b.attnum = i.indkey[f.attnum - 1] AND b.attnum > 0
        LEFT JOIN pg_stats s
            ON s.schemaname = n.nspname AND NOT s.inherited
            AND s.tablename = CASE WHEN b.attname IS NULL THEN c.relname ELSE t.relname END
            AND s.attname = coalesce(b.attname, f.attname)
        WHERE f.attrelid = c.oid
    ) k
) w
WHERE m.relkind IN ('r', 'm') AND m.relpersistence <> 't'
    AND CASE WHEN %(relation)s::bigint IS NULL THEN mn.nspname IN ('public', 'vsl') ELSE m.oid = %(relation)s::bigint::oid END
ORDER BY table_schema, table_name, schema, name;
