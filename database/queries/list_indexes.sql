-- Indexes with how often each was used, the least used first, then the largest.
-- Exact sizes need a moment's lock on each index; the others come from what the last vacuum wrote down.
SELECT
    n.nspname::text AS schema,
    t.relname::text AS table_name,
    c.relname::text AS name,
    CASE WHEN %(exact)s::boolean THEN coalesce(pg_relation_size(c.oid), 0)
        ELSE c.relpages * current_setting('block_size')::bigint END AS bytes,
    coalesce(s.idx_scan, 0) AS scans,
    -- From 16 on.
    (to_jsonb(s) ->> 'last_idx_scan')::timestamptz AS last_scan,
    i.indisvalid AND i.indisready AND i.indislive AS is_valid,
    EXISTS (SELECT FROM pg_stat_progress_create_index b WHERE b.index_relid = c.oid) AS is_being_built,
    i.indisunique AS is_unique,
    i.indisprimary AS is_primary,
    i.indisreplident AS is_replica_identity,
    (SELECT k.conname::text FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x') LIMIT 1) AS constraint_name,
    obj_description(c.oid, 'pg_class') AS serves,
    -- To print a predicate, the server opens the table.
    CASE WHEN %(exact)s::boolean THEN pg_get_indexdef(c.oid) END AS definition
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_class t ON t.oid = i.indrelid AND t.relkind IN ('r', 'm') AND t.relpersistence <> 't'
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = c.oid
WHERE n.nspname IN ('public', 'vsl') OR %(all_schemas)s::boolean AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
ORDER BY scans, bytes DESC, schema, name;
