-- Whether autovacuum is switched off: for the whole server, for a table, or because nothing is counted.
-- Off for the server or for one of VSL's tables is a failure, for another table a warning.
SELECT
    s.name AS subject,
    NULL::float8 AS value,
    'fail' AS level,
    CASE s.name
        WHEN 'autovacuum' THEN 'autovacuum is off: dead rows stay and statistics age, until the server stops to save itself from wraparound'
        ELSE 'track_counts is off: without counts autovacuum does not know what to do'
    END AS evidence,
    format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf();', s.name) AS next,
    NULL::text AS unknown
FROM pg_settings s
WHERE s.name IN ('autovacuum', 'track_counts') AND s.setting = 'off'
UNION ALL
SELECT
    format('%I.%I', n.nspname, c.relname),
    NULL,
    CASE
        WHEN n.nspname = 'vsl' OR n.nspname = 'public' AND c.relname IN (
            'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences'
        ) THEN 'fail'
        ELSE 'warn'
    END,
    format('autovacuum is off for %s', CASE WHEN o.of_toast THEN 'what is kept apart from its rows (TOAST)' ELSE 'this table' END),
    format('ALTER TABLE %I.%I RESET (%sautovacuum_enabled);', n.nspname, c.relname, CASE WHEN o.of_toast THEN 'toast.' ELSE '' END),
    NULL
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL (
    SELECT false AS of_toast, p.option_value FROM pg_options_to_table(c.reloptions) p WHERE p.option_name = 'autovacuum_enabled'
    UNION ALL
    SELECT true, p.option_value FROM pg_options_to_table(t.reloptions) p WHERE p.option_name = 'autovacuum_enabled'
) o
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT o.option_value::boolean;
