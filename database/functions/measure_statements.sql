-- What pg_stat_statements counted in this database: calls and milliseconds of the 200 statements that
-- took most, by their query identifiers and without their texts. NULL when the extension is not there
-- or not loaded. hidden: how many belong to others and cannot be told apart by this login.
CREATE OR REPLACE FUNCTION vsl.measure_statements() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    v_schema text;
    v_measures jsonb;
BEGIN
    SELECT n.nspname INTO v_schema
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        $sql$
        WITH statements AS (
            SELECT s.queryid, sum(s.calls) AS calls, sum(s.total_exec_time) AS time
            FROM %1$I.pg_stat_statements s
            WHERE s.toplevel AND s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            GROUP BY s.queryid
        )
        SELECT jsonb_build_object(
            'since', i.stats_reset,
            'evicted', i.dealloc,
            'time', (SELECT coalesce(round(sum(s.time)), 0) FROM statements s),
            'hidden', (SELECT coalesce(sum(s.calls), 0) FROM statements s WHERE s.queryid IS NULL),
            'entries', (
                SELECT coalesce(jsonb_object_agg(t.queryid::text, jsonb_build_array(t.calls, round(t.time::numeric, 1))), '{}')
                FROM (SELECT s.* FROM statements s WHERE s.queryid IS NOT NULL ORDER BY s.time DESC LIMIT 200) t
            )
        )
        FROM %1$I.pg_stat_statements_info i
        $sql$,
        v_schema
    ) INTO v_measures;
    RETURN v_measures;
EXCEPTION
    -- Not loaded at the server's start; an older version of the extension; not for this login.
    WHEN object_not_in_prerequisite_state OR undefined_table OR undefined_column OR insufficient_privilege THEN
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION vsl.measure_statements() IS 'Calls and time of the statements that took most, by query identifier.';
