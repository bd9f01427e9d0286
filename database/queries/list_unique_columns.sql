-- Columns of the original tables of which a key or an index makes sure that no value comes twice.
SELECT c.relname::text AS "table", a.attname::text AS "column"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r'
    AND c.relname IN ('jobs', 'media_outputs', 'usage_tracking');
