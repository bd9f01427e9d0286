-- The server's and the database's counters as they are now, for a snapshot or to compare with one.
-- Names of objects and numbers only. Tables and indexes: the largest 300 and 600, by what the last
-- vacuum or analyze found (pg_class.relpages), so that nothing waits for anybody's lock. Two
-- measurements with an equal identity count on from the same beginning: a reset of the statistics, a
-- crash, a failover and a restore each change it.
CREATE OR REPLACE FUNCTION vsl.measure_health() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    v_server jsonb;
    v_checkpoints jsonb;
    v_database jsonb;
    v_tables jsonb;
    v_indexes jsonb;
BEGIN
    SELECT to_jsonb(b) INTO v_server FROM pg_stat_bgwriter b;
    -- Checkpoints have a view of their own since PostgreSQL 17.
    IF to_regclass('pg_catalog.pg_stat_checkpointer') IS NULL THEN
        v_checkpoints := jsonb_build_object('timed', v_server -> 'checkpoints_timed', 'requested', v_server -> 'checkpoints_req');
    ELSE
        SELECT jsonb_build_object('timed', c.num_timed, 'requested', c.num_requested) INTO v_checkpoints FROM pg_stat_checkpointer c;
    END IF;

    SELECT
        jsonb_build_object(
            'blks_hit', d.blks_hit, 'blks_read', d.blks_read,
            'commits', d.xact_commit, 'rollbacks', d.xact_rollback,
            'deadlocks', d.deadlocks, 'temp_files', d.temp_files, 'temp_bytes', d.temp_bytes,
            'stats_reset', d.stats_reset,
            'size', CASE
                WHEN has_database_privilege(d.datid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(d.datid)
            END
        )
    INTO v_database
    FROM pg_stat_database d
    WHERE d.datname = current_database();

    SELECT
        jsonb_object_agg(
            t.oid::text,
            jsonb_build_object(
                'name', t.name, 'pages', t.relpages,
                'heap_hit', i.heap_blks_hit, 'heap_read', i.heap_blks_read, 'idx_hit', i.idx_blks_hit, 'idx_read', i.idx_blks_read,
                'seq_scan', s.seq_scan, 'seq_rows', s.seq_tup_read, 'idx_scan', s.idx_scan,
                'inserted', s.n_tup_ins, 'updated', s.n_tup_upd, 'deleted', s.n_tup_del, 'live', s.n_live_tup, 'dead', s.n_dead_tup,
                'inserted_since_vacuum', s.n_ins_since_vacuum, 'modified_since_analyze', s.n_mod_since_analyze
            )
        )
    INTO v_tables
    FROM (
        SELECT c.oid, c.relpages, format('%I.%I', n.nspname, c.relname) AS name
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY c.relpages DESC, c.oid
        LIMIT 300
    ) t
    JOIN pg_stat_all_tables s ON s.relid = t.oid
    JOIN pg_statio_all_tables i ON i.relid = t.oid;

    SELECT jsonb_object_agg(t.oid::text, jsonb_build_object('name', t.name, 'pages', t.relpages, 'scans', s.idx_scan, 'hit', i.idx_blks_hit, 'read', i.idx_blks_read))
    INTO v_indexes
    FROM (
        SELECT c.oid, c.relpages, format('%I.%I', n.nspname, c.relname) AS name
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'i' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY c.relpages DESC, c.oid
        LIMIT 600
    ) t
    JOIN pg_stat_all_indexes s ON s.indexrelid = t.oid
    JOIN pg_statio_all_indexes i ON i.indexrelid = t.oid;

    RETURN jsonb_build_object(
        'identity', (
            SELECT jsonb_build_object(
                'system', s.system_identifier::text, 'timeline', c.timeline_id, 'database', o.oid::text,
                'database_reset', v_database -> 'stats_reset', 'server_reset', v_server -> 'stats_reset'
            )
            FROM pg_control_system() s, pg_control_checkpoint() c, pg_database o
            WHERE o.datname = current_database()
        ),
        'started_at', pg_postmaster_start_time(),
        'database', v_database,
        'checkpoints', v_checkpoints,
        'tables', coalesce(v_tables, '{}'),
        'indexes', coalesce(v_indexes, '{}')
    );
END
$$;
COMMENT ON FUNCTION vsl.measure_health() IS 'The server''s and the database''s counters as they are now.';
