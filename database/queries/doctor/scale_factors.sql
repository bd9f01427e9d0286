-- Rows of each table of more than a million for which autovacuum waits until more than a twentieth of
-- them is dead.
SELECT
    format('%I.%I', n.nspname, c.relname) AS subject,
    c.reltuples::float8 AS value,
    'note' AS level,
    format('autovacuum waits for %s dead rows (%s %% of %s)', ceil(f.scale * c.reltuples), round((100 * f.scale)::numeric, 1), c.reltuples::bigint) AS evidence,
    format('ALTER TABLE %I.%I SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);', n.nspname, c.relname) AS next,
    NULL::text AS unknown
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT p.option_value FROM pg_options_to_table(c.reloptions) p WHERE p.option_name = 'autovacuum_vacuum_scale_factor'),
        current_setting('autovacuum_vacuum_scale_factor')
    )::float8 AS scale
) f
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND c.reltuples > 1000000 AND f.scale > 0.05;
