-- A worker's heartbeat: extends the leases of the claims that it still has. A claim that is missing
-- from the answer is lost. Says which jobs are asked to stop.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.extend_leases(p_jobs uuid[], p_epochs bigint[], p_lease_seconds double precision)
RETURNS TABLE (id uuid, epoch bigint, cancel_requested boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    -- Locked in the order of job ids first, as everywhere.
    PERFORM FROM vsl.dispatch d WHERE d.job_id = ANY (p_jobs) ORDER BY d.job_id FOR UPDATE;
    RETURN QUERY
    UPDATE vsl.dispatch d SET lease_until = now() + make_interval(secs => p_lease_seconds)
    FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
    WHERE d.job_id = pair.job_id AND d.epoch = pair.epoch AND d.worker IS NOT NULL
    RETURNING d.job_id, d.epoch, d.cancel_requested;
END
$$;
COMMENT ON FUNCTION vsl.extend_leases(uuid[], bigint[], double precision) IS 'A worker''s heartbeat; answers the claims that it still has.';
