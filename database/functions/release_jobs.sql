-- A worker lets go of jobs that have to wait, each for so many seconds; any worker takes them on then.
-- One whose attempt was not answered becomes unknown. No attempt and no rescue is used up.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.release_jobs(p_jobs uuid[], p_epochs bigint[], p_seconds double precision[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
BEGIN
    PERFORM FROM vsl.dispatch d WHERE d.job_id = ANY (p_jobs) ORDER BY d.job_id FOR UPDATE;
    RETURN QUERY
    UPDATE vsl.dispatch d
    SET worker = NULL, lease_until = NULL,
        -- A wish to cancel that came meanwhile is not left waiting.
        due_at = now() + make_interval(
            secs => CASE WHEN d.cancel_requested AND d.phase = 'wait' THEN least(pair.seconds, 2) ELSE pair.seconds END
        ),
        phase = CASE WHEN d.phase = 'submit' AND d.attempt_id IS NOT NULL THEN 'unknown' ELSE d.phase END
    FROM unnest(p_jobs, p_epochs, p_seconds) AS pair (job_id, epoch, seconds)
    WHERE d.job_id = pair.job_id AND d.epoch = pair.epoch AND d.worker IS NOT NULL
    RETURNING d.job_id;
END
$$;
COMMENT ON FUNCTION vsl.release_jobs(uuid[], bigint[], double precision[]) IS 'A worker lets go of jobs that have to wait.';
