-- Commits the intent to submit, before any request leaves: one open attempt for each claimed job.
-- A job whose attempt is still open (its worker was lost) keeps that attempt, which moves to the new
-- claim: `resumed`. Answers begun, resumed or stale for each pair of job and epoch. A claim that was
-- given back, freed or ended is stale even before the next one: somebody else may send at any moment.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.begin_attempts(p_jobs uuid[], p_epochs bigint[])
RETURNS TABLE (id uuid, result text, attempt_id uuid, number smallint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET enable_seqscan = off
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
    SELECT
        array_agg(held.job_id) FILTER (WHERE held.attempt_id IS NULL),
        array_agg(held.job_id) FILTER (WHERE held.attempt_id IS NOT NULL)
    INTO v_new, v_resumed
    FROM (
        SELECT d.job_id, d.attempt_id
        FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
        JOIN vsl.dispatch d ON d.job_id = pair.job_id
        WHERE d.epoch = pair.epoch AND d.worker IS NOT NULL
        ORDER BY d.job_id
        FOR UPDATE OF d
    ) held;

    IF v_resumed IS NOT NULL THEN
        UPDATE vsl.attempts a SET epoch = d.epoch
        FROM vsl.dispatch d
        WHERE d.job_id = ANY (v_resumed) AND a.id = d.attempt_id;
    END IF;
    IF v_new IS NOT NULL THEN
        UPDATE public.jobs j SET status = 'processing', updated_at = now()
        WHERE j.id = ANY (v_new) AND j.status = 'pending';
        WITH begun AS (
            INSERT INTO vsl.attempts AS a (job_id, run, number, provider, model_id, epoch)
            SELECT
                d.job_id, d.run,
                1 + coalesce((SELECT max(b.number) FROM vsl.attempts b WHERE b.job_id = d.job_id), 0),
                m.provider, j.model_id, d.epoch
            FROM vsl.dispatch d
            JOIN public.jobs j ON j.id = d.job_id
            JOIN public.model_configurations m ON m.model_id = j.model_id
            WHERE d.job_id = ANY (v_new)
            RETURNING a.id, a.job_id
        )
        UPDATE vsl.dispatch d SET attempt_id = b.id, attempts = d.attempts + 1, phase = 'submit'
        FROM begun b
        WHERE d.job_id = b.job_id;
    END IF;

    RETURN QUERY
    SELECT
        pair.job_id,
        CASE WHEN d.job_id = ANY (v_new) THEN 'begun' WHEN d.job_id = ANY (v_resumed) THEN 'resumed' ELSE 'stale' END,
        a.id,
        a.number
    FROM unnest(p_jobs, p_epochs) AS pair (job_id, epoch)
    -- Each pair looks up its own: LIMIT keeps the planner from joining the tables first.
    LEFT JOIN LATERAL (
        SELECT h.job_id, h.epoch, h.worker, h.attempt_id FROM vsl.dispatch h WHERE h.job_id = pair.job_id LIMIT 1
    ) d ON d.epoch = pair.epoch AND d.worker IS NOT NULL
    LEFT JOIN LATERAL (SELECT o.id, o.number FROM vsl.attempts o WHERE o.id = d.attempt_id LIMIT 1) a ON true;
END
$$;
COMMENT ON FUNCTION vsl.begin_attempts(uuid[], bigint[]) IS 'Commits the intent to submit, before any request leaves.';
