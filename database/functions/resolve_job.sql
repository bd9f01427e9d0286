-- A person decides about a job whose attempt got no answer (phase unknown): `adopt` says which
-- prediction is its own, `absent` that none was made, so that another may be sent, `give-up` that it is not to
-- be found out; the job fails then, and its hold is charged, since the money may be spent. Answers
-- what became of the job: wait, retried, failed or cancelled. The decision is written to the audit.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.resolve_job(p_job_id text, p_decision text, p_provider_id text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
    v_job public.jobs;
    v_dispatch vsl.dispatch;
    v_answer text;
BEGIN
    IF p_decision NOT IN ('adopt', 'absent', 'give-up') OR (p_decision = 'adopt') <> (coalesce(p_provider_id, '') <> '') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = 'a job is resolved by adopt with a prediction''s id, or by absent or give-up without';
    END IF;
    SELECT j.id, j.status INTO v_job.id, v_job.status FROM public.jobs j WHERE j.job_id = p_job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'VS004', MESSAGE = format('there is no job %L', left(p_job_id, 255));
    END IF;
    SELECT * INTO v_dispatch FROM vsl.dispatch d WHERE d.job_id = v_job.id FOR UPDATE;
    IF v_dispatch.phase IS DISTINCT FROM 'unknown' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s and needs no decision', p_job_id, coalesce('in phase ' || v_dispatch.phase, v_job.status)),
            HINT = 'Only a job whose attempt got no answer is resolved by a person.';
    END IF;
    -- A worker that looks for the prediction at this moment loses its claim.
    UPDATE vsl.dispatch d
    SET epoch = nextval('vsl.epoch_seq'), worker = NULL, lease_until = NULL, due_at = now()
    WHERE d.job_id = v_job.id
    RETURNING d.epoch INTO v_dispatch.epoch;
    IF p_decision = 'adopt' THEN
        PERFORM vsl.record_prediction(v_dispatch.attempt_id, p_provider_id, 'adopted', NULL, NULL, NULL, false, true);
        v_answer := 'wait';
    ELSIF p_decision = 'absent' THEN
        v_answer := vsl.fail_job(
            v_job.id, v_dispatch.epoch, v_dispatch.attempt_id, 'absent', 'a person found that no prediction was made', true
        );
    ELSE
        SELECT e.outcome INTO v_answer FROM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
            'job_id', v_job.id, 'attempt_id', v_dispatch.attempt_id, 'epoch', v_dispatch.epoch,
            'outcome', 'failed', 'spent', true, 'error_code', 'outcome_unknown',
            'error_message', 'a person gave up finding out what became of the prediction; it counts as paid for'
        ))) e;
    END IF;
    PERFORM vsl.record_act('resolve job', p_job_id, jsonb_strip_nulls(jsonb_build_object(
        'decision', p_decision, 'prediction', p_provider_id, 'attempt', v_dispatch.attempt_id, 'result', v_answer
    )));
    PERFORM pg_notify('vsl_work', v_dispatch.lane);
    RETURN v_answer;
END
$$;
COMMENT ON FUNCTION vsl.resolve_job(text, text, text) IS 'A person decides about a job whose attempt got no answer.';
