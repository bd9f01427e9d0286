-- The columns of some tables: their types, and whether a validated CHECK keeps NULL out already, so that SET NOT NULL reads nothing.
-- For `vsl db lint`. Reads the catalogue only, so it waits for no lock.
SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS column_name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
    EXISTS (
        -- Read from the stored expression: pg_get_constraintdef would wait for a lock on the table.
        SELECT FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated AND k.conkey = ARRAY[a.attnum]
            AND k.conbin::text ~ '^\{NULLTEST :arg \{VAR [^{}]*\} :nulltesttype 1 '
    ) AS is_checked_not_null
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked (schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY schema, name, column_name;
