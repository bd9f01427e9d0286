-- When the next job of the lanes falls due, or NULL: how long an idle worker may sleep.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.next_due(p_lanes text[]) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
BEGIN ATOMIC
    SELECT min(first.due_at)
    FROM unnest(p_lanes) AS l (lane)
    CROSS JOIN LATERAL (
        SELECT d.due_at FROM vsl.dispatch d
        WHERE d.lane = l.lane AND d.worker IS NULL
        ORDER BY d.due_at
        LIMIT 1
    ) first;
END;
COMMENT ON FUNCTION vsl.next_due(text[]) IS 'When the next job of the lanes falls due.';
