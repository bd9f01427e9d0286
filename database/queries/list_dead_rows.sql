-- Rows of each table that are dead, and when autovacuum comes for them by the settings in force; what its TOAST table holds.
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    s.n_live_tup AS live,
    s.n_dead_tup AS dead,
    s.last_vacuum,
    s.last_autovacuum,
    current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean
        AND coalesce(o.enabled, true) AS is_autovacuumed,
    CASE WHEN least_trigger.most > 0 THEN least(least_trigger.dead, least_trigger.most) ELSE least_trigger.dead END AS dead_for_autovacuum,
    EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.relid = c.oid AND v.datname = current_database()) AS is_being_vacuumed,
    c.relpages::bigint AS pages,
    t.relpages::bigint AS toast_pages,
    CASE WHEN t.reltuples >= 0 THEN t.reltuples::bigint END AS toast_rows,
    coalesce(pg_stat_get_dead_tuples(t.oid), 0) AS toast_dead
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL (
    SELECT
        bool_and(x.option_value::boolean) FILTER (WHERE x.option_name = 'autovacuum_enabled') AS enabled,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_threshold') AS threshold,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_scale_factor') AS scale,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_max_threshold') AS most
    FROM pg_options_to_table(c.reloptions) x
) o
CROSS JOIN LATERAL (
    SELECT
        (
            coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
            + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0)
        )::bigint AS dead,
        -- From 18 on; -1 for none.
        coalesce(o.most, current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1)::bigint AS most
) least_trigger
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
    AND (n.nspname IN ('public', 'vsl') OR %(all_schemas)s::boolean AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema'))
ORDER BY s.n_dead_tup DESC, schema, name;
