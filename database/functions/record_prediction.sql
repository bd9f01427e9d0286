-- Records what a provider said of an attempt. Guarded by the attempt, not by a claim: the word is
-- the provider's, whoever brings it. p_collectable says that the outputs can be fetched from what
-- is recorded, so that the job need not be submitted again to get them; p_kept_seconds, how long the
-- provider keeps them from now on. p_remembered says that the provider can be asked for the prediction
-- by its id: the job waits for it, and no other attempt may have it. Answers whether the attempt was
-- still under way.
-- Its planner settings: see claim_jobs.
DROP FUNCTION IF EXISTS vsl.record_prediction(uuid, text, text, jsonb, jsonb, double precision, boolean);
CREATE OR REPLACE FUNCTION vsl.record_prediction(
    p_attempt uuid,
    p_provider_id text,
    p_provider_status text,
    p_output jsonb,
    p_metrics jsonb,
    p_processing_time double precision,
    p_collectable boolean,
    p_remembered boolean DEFAULT false,
    p_kept_seconds double precision DEFAULT NULL
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
    v_provider_id text;
    v_phase text;
BEGIN
    SELECT a.job_id, a.provider INTO v_job, v_provider FROM vsl.attempts a WHERE a.id = p_attempt;
    SELECT d.phase INTO v_phase FROM vsl.dispatch d WHERE d.job_id = v_job AND d.attempt_id = p_attempt FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_remembered THEN
        -- Read under the lock: two may bring the word at once.
        SELECT a.provider_id INTO v_provider_id FROM vsl.attempts a WHERE a.id = p_attempt;
        IF v_provider_id IS NULL THEN
            INSERT INTO vsl.predictions (provider, provider_id, attempt_id)
            VALUES (v_provider, p_provider_id, p_attempt)
            ON CONFLICT (provider, provider_id) DO NOTHING;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'VS002',
                    MESSAGE = format('prediction %L belongs to another attempt', left(p_provider_id, 255));
            END IF;
        ELSIF v_provider_id <> p_provider_id THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS002',
                MESSAGE = format('the attempt has another prediction than %L', left(p_provider_id, 255));
        END IF;
    END IF;
    UPDATE vsl.attempts a
    SET provider_id = coalesce(p_provider_id, a.provider_id),
        provider_status = p_provider_status,
        output = coalesce(p_output, a.output),
        metrics = coalesce(p_metrics, a.metrics),
        processing_time = coalesce(p_processing_time, a.processing_time),
        outputs_expire_at = coalesce(a.outputs_expire_at, now() + make_interval(secs => p_kept_seconds))
    WHERE a.id = p_attempt;
    IF p_collectable THEN
        UPDATE vsl.dispatch d SET phase = 'collect' WHERE d.job_id = v_job;
    ELSIF p_remembered AND v_phase IN ('submit', 'unknown') THEN
        -- Otherwise late words, which do not take a job back from collecting.
        UPDATE vsl.dispatch d SET phase = 'wait' WHERE d.job_id = v_job;
    END IF;
    IF p_remembered AND v_phase = 'unknown' THEN
        UPDATE public.jobs j SET error_code = NULL, error_message = NULL WHERE j.id = v_job AND j.error_code IS NOT NULL;
    END IF;
    IF v_provider = 'replicate' AND p_provider_id IS NOT NULL THEN
        UPDATE public.jobs j SET replicate_id = p_provider_id, updated_at = now()
        WHERE j.id = v_job AND j.replicate_id IS DISTINCT FROM p_provider_id;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION vsl.record_prediction(uuid, text, text, jsonb, jsonb, double precision, boolean, boolean, double precision) IS 'Records what a provider said of an attempt.';
