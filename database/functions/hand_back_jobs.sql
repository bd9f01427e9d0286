-- A stopping worker gives back claims that it cannot finish; another worker takes them on at once.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.hand_back_jobs(p_jobs uuid[], p_epochs bigint[]) RETURNS SETOF uuid
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
    UPDATE vsl.dispatch d SET worker = NULL, lease_until = NULL, due_at = now()
    FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
    WHERE d.job_id = pair.job_id AND d.epoch = pair.epoch AND d.worker IS NOT NULL
    RETURNING d.job_id;
END
$$;
COMMENT ON FUNCTION vsl.hand_back_jobs(uuid[], bigint[]) IS 'A stopping worker gives back claims.';
