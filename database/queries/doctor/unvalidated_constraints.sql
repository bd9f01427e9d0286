-- Constraints that hold for new rows only, because the old ones were never checked.
SELECT
    format('%I on %s', o.conname, CASE WHEN o.conrelid <> 0 THEN format('%I.%I', n.nspname, c.relname) ELSE format_type(o.contypid, NULL) END) AS subject,
    NULL::float8 AS value,
    'warn' AS level,
    format(
        '%s was added NOT VALID: rows from before were not checked',
        CASE o.contype WHEN 'f' THEN 'the foreign key' WHEN 'c' THEN 'the check' ELSE 'the constraint' END
    ) AS evidence,
    CASE
        WHEN o.conrelid <> 0 THEN format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I;', n.nspname, c.relname, o.conname)
        ELSE format('ALTER DOMAIN %s VALIDATE CONSTRAINT %I;', format_type(o.contypid, NULL), o.conname)
    END AS next,
    NULL::text AS unknown
FROM pg_constraint o
LEFT JOIN pg_class c ON c.oid = o.conrelid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT o.convalidated
    -- Since PostgreSQL 18 a constraint can be meant not to hold at all.
    AND coalesce((to_jsonb(o) ->> 'conenforced')::boolean, true)
    -- Partitions' copies go with their parents'.
    AND o.conparentid = 0
    AND coalesce(n.nspname, '') !~ '^pg_temp';
