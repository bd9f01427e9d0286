-- Write down the counters as they are now and return the row's id; within a minute of the last row,
-- that one's id. p_statements: what vsl.measure_statements() answers to the caller, for only a member
-- of pg_read_all_stats can tell other people's statements apart, and this function's owner is none.
-- Kept are all rows of one day, one an hour for 14 days and one a day for 90, so the table stays below
-- two thousand rows however often this is called.
CREATE OR REPLACE FUNCTION vsl.take_snapshot(p_statements jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint;
    v_statements jsonb;
BEGIN
    SELECT s.id INTO v_id
    FROM vsl.health_snapshots s
    WHERE s.taken_at > now() - interval '1 minute'
    ORDER BY s.taken_at DESC
    LIMIT 1;
    IF FOUND THEN
        RETURN v_id;
    END IF;

    -- Numbers only, whatever the caller hands over.
    IF jsonb_typeof(p_statements) = 'object' AND jsonb_typeof(p_statements -> 'entries') = 'object' THEN
        SELECT jsonb_build_object(
            'since', left(p_statements ->> 'since', 40),
            'evicted', CASE WHEN jsonb_typeof(p_statements -> 'evicted') = 'number' THEN p_statements -> 'evicted' END,
            'time', CASE WHEN jsonb_typeof(p_statements -> 'time') = 'number' THEN p_statements -> 'time' END,
            'entries', coalesce(jsonb_object_agg(e.key, jsonb_build_array(e.value -> 0, e.value -> 1)), '{}')
        )
        INTO v_statements
        FROM (
            SELECT p.key, p.value
            FROM jsonb_each(p_statements -> 'entries') p
            WHERE p.key ~ '^-?[0-9]{1,20}$' AND jsonb_typeof(p.value -> 0) = 'number' AND jsonb_typeof(p.value -> 1) = 'number'
            LIMIT 200
        ) e;
    END IF;

    INSERT INTO vsl.health_snapshots (measures)
    VALUES (vsl.measure_health() || jsonb_build_object('statements', v_statements))
    RETURNING id INTO v_id;

    DELETE FROM vsl.health_snapshots s
    USING (
        SELECT
            a.id,
            a.taken_at < now() - interval '90 days' AS is_past,
            row_number() OVER (
                PARTITION BY a.is_old, date_trunc(CASE WHEN a.is_old THEN 'day' ELSE 'hour' END, a.taken_at, 'UTC')
                ORDER BY a.taken_at, a.id
            ) AS place
        FROM (
            SELECT h.id, h.taken_at, h.taken_at < now() - interval '14 days' AS is_old
            FROM vsl.health_snapshots h
            WHERE h.taken_at < now() - interval '1 day'
        ) a
    ) o
    WHERE s.id = o.id AND (o.is_past OR o.place > 1);
    RETURN v_id;
END
$$;
COMMENT ON FUNCTION vsl.take_snapshot(jsonb) IS 'Write down the server''s counters as they are now.';
