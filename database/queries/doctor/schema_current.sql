-- Whether the database has the schema that this program needs: how many migrations and texts differ.
-- The program says what it needs in the setting vsl.program, for this transaction.
WITH needed AS (
    SELECT nullif(current_setting('vsl.program', true), '')::jsonb AS program
),
versions AS (
    SELECT
        array_agg(v.version) FILTER (WHERE m.version IS NULL) AS missing,
        (
            SELECT array_agg(f.version::text)
            FROM public.schema_migrations f
            WHERE coalesce(f.origin, 'vsl') = 'vsl' AND NOT (n.program -> 'versions') ? f.version::text
        ) AS unknown
    FROM needed n
    CROSS JOIN LATERAL jsonb_array_elements_text(n.program -> 'versions') AS v (version)
    LEFT JOIN public.schema_migrations m ON m.version = v.version AND coalesce(m.state, 'applied') = 'applied'
    GROUP BY n.program
),
texts AS (
    SELECT count(*) FILTER (WHERE r.sha256 IS DISTINCT FROM t.value) AS differ
    FROM needed n
    CROSS JOIN LATERAL jsonb_each_text(n.program -> 'texts') AS t (key, value)
    LEFT JOIN vsl.repeatables r ON r.path = t.key
)
SELECT
    'the schema'::text AS subject,
    (coalesce(cardinality(v.missing), 0) + coalesce(cardinality(v.unknown), 0) + t.differ)::float8 AS value,
    NULL::text AS level,
    concat_ws(
        '; ',
        'lacks migration ' || array_to_string(v.missing, ', '),
        'has migration ' || array_to_string(v.unknown, ', ') || ', which this program does not know',
        CASE WHEN t.differ > 0 THEN format('%s functions, views or grants are not this program''s', t.differ) END
    ) AS evidence,
    CASE WHEN cardinality(v.unknown) > 0 THEN 'Install a newer VSL.' ELSE 'vsl db migrate' END AS next,
    NULL::text AS unknown
FROM versions v
CROSS JOIN texts t
UNION ALL
SELECT 'the schema', NULL, NULL, NULL, 'vsl db doctor --only schema-current', 'only the program knows what it needs'
FROM needed n
WHERE n.program IS NULL;
