-- Records what a provider said of an attempt. Guarded by the attempt, not by a claim: the word is
-- the provider's, whoever brings it. p_collectable says that the outputs can be fetched from what
-- is recorded, so that the job need not be submitted again to get them. Answers whether the attempt
-- was still under way.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.record_prediction(
    p_attempt uuid,
    p_provider_id text,
    p_provider_status text,
    p_output jsonb,
    p_metrics jsonb,
    p_processing_time double precision,
    p_collectable boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
    v_job uuid;
    v_provider text;
BEGIN
    SELECT a.job_id, a.provider INTO v_job, v_provider FROM vsl.attempts a WHERE a.id = p_attempt;
    PERFORM FROM vsl.dispatch d WHERE d.job_id = v_job AND d.attempt_id = p_attempt FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE vsl.attempts a
    SET provider_id = coalesce(p_provider_id, a.provider_id),
        provider_status = p_provider_status,
        output = coalesce(p_output, a.output),
        metrics = coalesce(p_metrics, a.metrics),
        processing_time = coalesce(p_processing_time, a.processing_time)
    WHERE a.id = p_attempt;
    IF p_collectable THEN
        UPDATE vsl.dispatch d SET phase = 'collect' WHERE d.job_id = v_job;
    END IF;
    IF v_provider = 'replicate' AND p_provider_id IS NOT NULL THEN
        UPDATE public.jobs j SET replicate_id = p_provider_id, updated_at = now()
        WHERE j.id = v_job AND j.replicate_id IS DISTINCT FROM p_provider_id;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vsl.record_prediction(uuid, text, text, jsonb, jsonb, double precision, boolean) IS 'Records what a provider said of an attempt.';
