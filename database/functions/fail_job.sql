-- Ends the attempt of a job with a failure. When another attempt may help and the model allows one,
-- the job waits for it (retried); otherwise the job ends (failed, or cancelled when that was asked
-- for meanwhile). p_attempt is NULL when the job is refused before any attempt. Answers retried,
-- failed, cancelled, repeated or stale.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.fail_job(
    p_job uuid,
    p_epoch bigint,
    p_attempt uuid,
    p_code text,
    p_message text,
    p_retryable boolean,
    p_processing_time double precision DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
    v_dispatch vsl.dispatch;
    v_answer record;
    -- A failure is recorded whatever its provider says of the time: one out of range is not known.
    v_time numeric := CASE WHEN p_processing_time BETWEEN 0 AND 999999999 THEN p_processing_time END;
BEGIN
    SELECT * INTO v_dispatch FROM vsl.dispatch d WHERE d.job_id = p_job AND d.epoch = p_epoch FOR UPDATE;
    IF v_dispatch.attempt_id = p_attempt
        AND p_retryable AND NOT v_dispatch.cancel_requested AND v_dispatch.attempts < v_dispatch.max_attempts
    THEN
        UPDATE public.jobs j
        SET retry_count = j.retry_count + 1, error_code = p_code, error_message = left(p_message, 2000), updated_at = now()
        WHERE j.id = p_job;
        UPDATE vsl.attempts a
        SET outcome = 'failed', epoch = p_epoch, ended_at = now(), cost = 0, error_code = p_code, error_message = left(p_message, 2000),
            processing_time = coalesce(v_time, a.processing_time)
        WHERE a.id = p_attempt;
        UPDATE vsl.dispatch d
        SET phase = 'backoff', worker = NULL, lease_until = NULL, attempt_id = NULL,
            due_at = now() + make_interval(secs => vsl.backoff_seconds(d.attempts))
        WHERE d.job_id = p_job;
        RETURN 'retried';
    END IF;
    SELECT * INTO v_answer FROM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
        'job_id', p_job, 'attempt_id', p_attempt, 'epoch', p_epoch,
        'outcome', CASE WHEN v_dispatch.cancel_requested THEN 'cancelled' ELSE 'failed' END,
        'processing_time', v_time, 'error_code', p_code, 'error_message', p_message
    )));
    RETURN CASE WHEN v_answer.result = 'finished' THEN v_answer.outcome ELSE v_answer.result END;
END
$$;
COMMENT ON FUNCTION vsl.fail_job(uuid, bigint, uuid, text, text, boolean, double precision) IS 'Ends an attempt with a failure: the job is retried or ends.';
