-- What maintenance goes by, for each table of public and vsl, or for one: rows, dead rows and changes as the
-- server counted them, the triggers of autovacuum by the settings in force, ages, and what this role may
-- do with it. Exact sizes take a moment's lock on each table; the others come from what the last vacuum wrote down.
SELECT
    c.oid::bigint AS relation,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind = 'p' AS is_partitioned,
    pg_get_userbyid(c.relowner)::text AS owner,
    pg_has_role(c.relowner, 'USAGE') AS is_owner,
    CASE
        -- A right of its own from 17 on.
        WHEN current_setting('server_version_num')::integer >= 170000 THEN
            has_table_privilege(c.oid, CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN 'MAINTAIN' ELSE 'SELECT' END)
        ELSE false
    END AS may_maintain,
    pg_has_role(d.datdba, 'USAGE') AS owns_database,
    coalesce(s.n_live_tup, 0) AS live,
    coalesce(s.n_dead_tup, 0) AS dead,
    coalesce(s.n_mod_since_analyze, 0) AS changed,
    coalesce(s.n_ins_since_vacuum, 0) AS inserted,
    c.reltuples::float8 AS rows,
    coalesce(pg_stat_get_live_tuples(t.oid), 0) AS toast_live,
    coalesce(pg_stat_get_dead_tuples(t.oid), 0) AS toast_dead,
    greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum,
    greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
    coalesce(s.vacuum_count, 0) AS vacuum_count,
    coalesce(s.analyze_count, 0) AS analyze_count,
    CASE WHEN most.trigger >= 0 THEN least(trigger.dead, most.trigger) ELSE trigger.dead END AS vacuum_trigger,
    CASE WHEN trigger.inserted >= 0 THEN trigger.inserted END AS insert_trigger,
    trigger.changed AS analyze_trigger,
    coalesce(CASE WHEN c.relkind <> 'p' THEN greatest(age(c.relfrozenxid), age(t.relfrozenxid)) END, 0)::bigint AS age,
    least(o.freeze_age, current_setting('autovacuum_freeze_max_age')::float8)::bigint AS freeze_age,
    coalesce(CASE WHEN c.relkind <> 'p' THEN greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) END, 0)::bigint AS multixact_age,
    least(o.multixact_age, current_setting('autovacuum_multixact_freeze_max_age')::float8)::bigint AS multixact_freeze_age,
    CASE
        WHEN %(exact)s::boolean THEN coalesce(pg_table_size(c.oid), 0)
        ELSE (c.relpages::bigint + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint
    END AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL (
    SELECT
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_threshold') AS dead,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_scale_factor') AS dead_scale,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_max_threshold') AS most,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_insert_threshold') AS inserted,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_vacuum_insert_scale_factor') AS inserted_scale,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_analyze_threshold') AS changed,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_analyze_scale_factor') AS changed_scale,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_freeze_max_age') AS freeze_age,
        max(x.option_value::float8) FILTER (WHERE x.option_name = 'autovacuum_multixact_freeze_max_age') AS multixact_age
    FROM pg_options_to_table(c.reloptions) x
) o
CROSS JOIN LATERAL (
    SELECT
        (
            coalesce(o.dead, current_setting('autovacuum_vacuum_threshold')::float8)
            + coalesce(o.dead_scale, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0)
        )::bigint AS dead,
        -- -1 switches it off.
        CASE
            WHEN coalesce(o.inserted, current_setting('autovacuum_vacuum_insert_threshold')::float8) < 0 THEN -1
            ELSE coalesce(o.inserted, current_setting('autovacuum_vacuum_insert_threshold')::float8)
                + coalesce(o.inserted_scale, current_setting('autovacuum_vacuum_insert_scale_factor')::float8) * greatest(c.reltuples, 0)
        END::bigint AS inserted,
        (
            coalesce(o.changed, current_setting('autovacuum_analyze_threshold')::float8)
            + coalesce(o.changed_scale, current_setting('autovacuum_analyze_scale_factor')::float8) * greatest(c.reltuples, 0)
        )::bigint AS changed
) trigger
CROSS JOIN LATERAL (
    -- From 18 on; -1 for none.
    SELECT coalesce(o.most, current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1)::bigint AS trigger
) most
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
    AND CASE WHEN %(relation)s::bigint IS NULL THEN n.nspname IN ('public', 'vsl') ELSE c.oid = %(relation)s::bigint::oid END
ORDER BY schema, name;
