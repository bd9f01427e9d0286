-- Rows of each table that changed since its last analyze beside the number from which autovacuum analyzes,
-- in percent of that number, by the settings in force; and tables of 1,000 rows or more without any
-- statistics. A warning only when it was so at the last snapshot too, for a table that was just
-- filled is analyzed within minutes.
WITH compared AS MATERIALIZED (
    SELECT * FROM vsl.health_window()
),
analyzed AS MATERIALIZED (
    SELECT DISTINCT s.schemaname::text AS schema_name, s.tablename::text AS relation_name
    FROM pg_stats s
    UNION
    SELECT DISTINCT w.schema_name, w.relation_name FROM vsl.column_widths() w
),
tables AS (
    SELECT
        c.oid,
        format('%I.%I', n.nspname, c.relname) AS name,
        greatest(c.reltuples, s.n_live_tup)::float8 AS rows,
        s.n_mod_since_analyze::float8 AS pending,
        greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
        coalesce(o.threshold, current_setting('autovacuum_analyze_threshold')::float8)
        + coalesce(o.scale, current_setting('autovacuum_analyze_scale_factor')::float8) * greatest(c.reltuples, 0) AS trigger,
        -- Without the right to read a table, a login does not see its statistics; VSL's own show theirs.
        c.reltuples < 0
        OR has_table_privilege(c.oid, 'SELECT') AND NOT EXISTS (SELECT FROM analyzed a WHERE a.schema_name = n.nspname AND a.relation_name = c.relname) AS has_none
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_all_tables s ON s.relid = c.oid
    CROSS JOIN LATERAL (
        SELECT
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_analyze_threshold') AS threshold,
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_analyze_scale_factor') AS scale
        FROM pg_options_to_table(c.reloptions) p
        WHERE p.option_name IN ('autovacuum_analyze_threshold', 'autovacuum_analyze_scale_factor')
    ) o
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
),
due AS (
    SELECT
        t.*,
        w.began,
        coalesce(
            CASE
                WHEN t.has_none THEN (w.earlier -> 'tables' -> t.oid::text ->> 'live')::float8 >= 1000
                ELSE (w.earlier -> 'tables' -> t.oid::text ->> 'modified_since_analyze')::float8 >= 2 * greatest(t.trigger, 1)
            END,
            false
        ) AS was_due
    FROM tables t
    CROSS JOIN compared w
    WHERE t.has_none AND t.rows >= 1000 OR t.pending >= 1000 AND t.pending >= 2 * greatest(t.trigger, 1)
)
SELECT
    d.name AS subject,
    100 * d.pending / greatest(d.trigger, 1) AS value,
    CASE WHEN d.was_due THEN 'warn' ELSE 'note' END AS level,
    CASE
        WHEN d.has_none THEN format('it has %s rows and no statistics, so every plan for it is a guess', d.rows)
        ELSE format(
            '%s rows changed since the last analyze (%s); autovacuum analyzes from %s on', d.pending,
            coalesce(date_trunc('second', d.last_analyze)::text, 'not since the counters began'), ceil(d.trigger)
        )
    END
    || CASE WHEN d.was_due THEN format('; so it was at %s already', date_trunc('second', d.began)) ELSE '; no snapshot tells for how long' END AS evidence,
    format('ANALYZE %s;', d.name) AS next,
    NULL::text AS unknown
FROM due d;
