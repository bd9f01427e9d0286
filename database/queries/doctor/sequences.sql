-- How much of each sequence is used up, in percent of what it and the column that it fills can hold.
-- A value that was never taken is nothing to worry about; one that may not be read is unknown.
WITH sequences AS MATERIALIZED (
    SELECT
        c.oid,
        format('%I.%I', n.nspname, c.relname) AS name,
        quote_ident(n.nspname) AS schema_name,
        CASE WHEN a.attname IS NOT NULL THEN format('%I.%I.%I', tn.nspname, t.relname, a.attname) END AS column_name,
        format_type(a.atttypid, NULL) AS column_type,
        has_sequence_privilege(c.oid, 'SELECT, USAGE') AS may_read,
        s.seqincrement > 0 AS rises,
        CASE WHEN s.seqincrement > 0 THEN least(s.seqmax, b.largest) ELSE -greatest(s.seqmin, -b.largest) END::float8 AS most,
        -- A sequence that begins again never ends, unless its column does before.
        s.seqcycle AND (b.largest IS NULL OR s.seqmax <= b.largest) AS begins_again,
        s.seqstart
    FROM pg_sequence s
    JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_class t ON t.oid = d.refobjid
    LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    LEFT JOIN (VALUES ('int2'::regtype, 32767::bigint), ('int4'::regtype, 2147483647), ('int8'::regtype, 9223372036854775807)) AS b (type, largest) ON b.type = a.atttypid
    WHERE n.nspname !~ '^pg_temp'
),
used AS (
    SELECT s.*, CASE WHEN s.rises THEN 1 ELSE -1 END * pg_sequence_last_value(s.oid)::float8 AS last_value
    FROM sequences s
    WHERE s.may_read AND NOT s.begins_again AND s.most > 0
)
SELECT
    u.name AS subject,
    100 * greatest(u.last_value, 0) / u.most AS value,
    NULL::text AS level,
    format('%s of %s numbers are used', greatest(u.last_value, 0), u.most)
    || CASE WHEN u.column_type IS NOT NULL AND u.column_type <> 'bigint' THEN format('; %s is of type %s', u.column_name, u.column_type) ELSE '' END AS evidence,
    CASE WHEN u.column_type IN ('integer', 'smallint') THEN format('Plan a migration that makes %s a bigint, and ALTER SEQUENCE %s AS bigint;', u.column_name, u.name) END AS next,
    NULL::text AS unknown
FROM used u
WHERE u.last_value >= 0.5 * u.most
UNION ALL
SELECT
    'sequences',
    NULL,
    NULL,
    format('%s sequences, such as %s', count(*), min(s.name)),
    CASE
        WHEN count(*) <= 5 THEN format('GRANT SELECT ON SEQUENCE %s TO %I;', string_agg(s.name, ', ' ORDER BY s.name), current_user)
        ELSE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %s TO %I;', string_agg(DISTINCT s.schema_name, ', '), current_user)
    END,
    'their values are hidden from this login'
FROM sequences s
WHERE NOT s.may_read
HAVING count(*) > 0;
