-- Commits the intent to submit, before any request leaves: one open attempt for each claimed job.
-- A job whose attempt is still open (its worker was lost) keeps that attempt, which moves to the new
-- claim: `resumed`. Answers begun, resumed or stale for each pair of job and epoch. A claim that was
-- given back, freed or ended is stale even before the next one: somebody else may send at any moment.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.begin_attempts(p_jobs uuid[], p_epochs bigint[])
RETURNS TABLE (id uuid, result text, attempt_id uuid, number smallint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_new uuid[];
    v_resumed uuid[];
BEGIN
    -- The holder is looked at out here: in there, the planner would go by its index.
    SELECT
        array_agg(held.job_id) FILTER (WHERE held.worker IS NOT NULL AND held.attempt_id IS NULL),
        array_agg(held.job_id) FILTER (WHERE held.worker IS NOT NULL AND held.attempt_id IS NOT NULL)
    INTO v_new, v_resumed
    FROM (
        SELECT d.job_id, d.attempt_id, d.worker
        FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
        JOIN vsl.dispatch d ON d.job_id = pair.job_id
        WHERE d.epoch = pair.epoch
        ORDER BY d.job_id
        FOR UPDATE OF d
    ) held;

    IF v_resumed IS NOT NULL THEN
        RETURN QUERY
        UPDATE vsl.attempts a SET epoch = d.epoch
        FROM vsl.dispatch d
        WHERE d.job_id = ANY (v_resumed) AND a.id = d.attempt_id
        RETURNING a.job_id, 'resumed', a.id, a.number;
    END IF;
    IF v_new IS NOT NULL THEN
        -- Not `=`: that might be looked up in the index of the status.
        UPDATE public.jobs j SET status = 'processing', updated_at = now()
        WHERE j.id = ANY (v_new) AND j.status IS NOT DISTINCT FROM 'pending';
        RETURN QUERY
        WITH begun AS (
            INSERT INTO vsl.attempts AS a (job_id, run, number, provider, model_id, epoch)
            SELECT
                d.job_id, d.run,
                -- In the first run the dispatch row has the count.
                1 + CASE d.run
                    WHEN 1 THEN d.attempts
                    ELSE coalesce((SELECT max(b.number) FROM vsl.attempts b WHERE b.job_id = d.job_id), 0)
                END,
                m.provider, j.model_id, d.epoch
            FROM vsl.dispatch d
            JOIN public.jobs j ON j.id = d.job_id
            JOIN public.model_configurations m ON m.model_id = j.model_id
            WHERE d.job_id = ANY (v_new)
            RETURNING a.id, a.job_id, a.number
        ), marked AS (
            UPDATE vsl.dispatch d SET attempt_id = b.id, attempts = d.attempts + 1, phase = 'submit'
            FROM begun b
            WHERE d.job_id = b.job_id
        )
        SELECT b.job_id, 'begun', b.id, b.number FROM begun b;
    END IF;
    IF coalesce(cardinality(v_new), 0) + coalesce(cardinality(v_resumed), 0) < cardinality(p_jobs) THEN
        RETURN QUERY
        SELECT stale.job_id, 'stale', NULL::uuid, NULL::smallint
        FROM (
            SELECT pair.job_id, pair.epoch FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
            EXCEPT
            SELECT d.job_id, d.epoch FROM vsl.dispatch d
            WHERE d.job_id = ANY (p_jobs) AND d.worker IS NOT NULL
        ) stale;
    END IF;
END
$$;
COMMENT ON FUNCTION vsl.begin_attempts(uuid[], bigint[]) IS 'Commits the intent to submit, before any request leaves.';
