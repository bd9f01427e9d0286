-- Dead or inserted rows of each table beside the number from which autovacuum begins, in percent of that
-- number, by the settings in force. Twice the number is worth a word from 1,000 rows on; a warning
-- only when it was so at the last snapshot too, a failure at ten times and 100,000 rows.
WITH compared AS MATERIALIZED (
    SELECT * FROM vsl.health_window()
),
settings AS MATERIALIZED (
    SELECT
        current_setting('autovacuum_vacuum_threshold')::float8 AS threshold,
        current_setting('autovacuum_vacuum_scale_factor')::float8 AS scale,
        current_setting('autovacuum_vacuum_insert_threshold')::float8 AS insert_threshold,
        current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_scale,
        -- Since PostgreSQL 18; -1: no upper bound.
        coalesce(current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1) AS most
),
tables AS (
    SELECT
        c.oid,
        format('%I.%I', n.nspname, c.relname) AS name,
        greatest(c.reltuples, 0)::float8 AS rows,
        s.n_dead_tup::float8 AS dead,
        s.n_ins_since_vacuum::float8 AS inserted,
        greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum,
        coalesce(o.threshold, g.threshold) AS threshold,
        coalesce(o.scale, g.scale) AS scale,
        coalesce(o.insert_threshold, g.insert_threshold) AS insert_threshold,
        coalesce(o.insert_scale, g.insert_scale) AS insert_scale,
        coalesce(o.most, g.most) AS most,
        -- Since PostgreSQL 18 the share of inserted rows is one of the pages that are not frozen.
        CASE
            WHEN c.relpages > 0 AND to_jsonb(c) ? 'relallfrozen' THEN 1 - least((to_jsonb(c) ->> 'relallfrozen')::float8 / c.relpages, 1)
            ELSE 1
        END AS unfrozen
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_all_tables s ON s.relid = c.oid
    CROSS JOIN settings g
    CROSS JOIN LATERAL (
        SELECT
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_vacuum_threshold') AS threshold,
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_vacuum_scale_factor') AS scale,
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_vacuum_insert_threshold') AS insert_threshold,
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_vacuum_insert_scale_factor') AS insert_scale,
            max(p.option_value::float8) FILTER (WHERE p.option_name = 'autovacuum_vacuum_max_threshold') AS most
        FROM pg_options_to_table(c.reloptions) p
        WHERE p.option_name ~ '^autovacuum_vacuum_[a-z_]*(threshold|factor)$'
    ) o
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
),
due AS (
    SELECT
        t.*,
        CASE WHEN t.most >= 0 THEN least(t.most, t.threshold + t.scale * t.rows) ELSE t.threshold + t.scale * t.rows END AS limit_dead,
        -- -1: inserted rows alone are no reason.
        CASE WHEN t.insert_threshold >= 0 THEN t.insert_threshold + t.insert_scale * t.rows * t.unfrozen END AS limit_inserted
    FROM tables t
),
chosen AS (
    SELECT
        d.*,
        r.*,
        w.began,
        coalesce((w.earlier -> 'tables' -> d.oid::text ->> r.counter)::float8 >= 2 * greatest(r.trigger, 1), false) AS was_due,
        EXISTS (SELECT FROM pg_stat_progress_vacuum p WHERE p.datname = current_database() AND p.relid = d.oid) AS under_way
    FROM due d
    CROSS JOIN compared w
    CROSS JOIN LATERAL (
        SELECT v.counter, v.word, v.pending, v.trigger
        FROM (VALUES ('dead', 'dead', d.dead, d.limit_dead), ('inserted_since_vacuum', 'inserted', d.inserted, d.limit_inserted)) AS v (counter, word, pending, trigger)
        WHERE v.pending >= 1000 AND v.pending >= 2 * greatest(v.trigger, 1)
        ORDER BY v.pending / greatest(v.trigger, 1) DESC
        LIMIT 1
    ) r
)
SELECT
    c.name AS subject,
    100 * c.pending / greatest(c.trigger, 1) AS value,
    CASE
        WHEN c.under_way OR NOT c.was_due THEN 'note'
        WHEN c.pending >= 10 * greatest(c.trigger, 1) AND c.pending >= 100000 THEN 'fail'
        ELSE 'warn'
    END AS level,
    format(
        '%s rows %s since the last vacuum (%s); autovacuum begins at %s', c.pending, c.word,
        coalesce(date_trunc('second', c.last_vacuum)::text, 'not since the counters began'), ceil(c.trigger)
    )
    || CASE
        WHEN c.under_way THEN '; it is being vacuumed now'
        WHEN c.was_due THEN format('; it was overdue at %s already', date_trunc('second', c.began))
        ELSE '; no snapshot tells for how long'
    END AS evidence,
    format('VACUUM (ANALYZE) %s;', c.name) AS next,
    NULL::text AS unknown
FROM chosen c;
