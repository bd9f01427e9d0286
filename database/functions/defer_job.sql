-- A worker lets go of a job that something holds up, and says what: the words stand in the job until
-- the trouble is over. p_withdraw takes the intent to submit back, which only a provider's own word that
-- nothing was made allows: the attempt goes and is not counted. p_unknown says that a person may have
-- to resolve the attempt. Answers deferred or stale.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.defer_job(
    p_job uuid,
    p_epoch bigint,
    p_seconds double precision,
    p_code text,
    p_message text,
    p_withdraw boolean DEFAULT false,
    p_unknown boolean DEFAULT false
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
BEGIN
    SELECT * INTO v_dispatch FROM vsl.dispatch d
    WHERE d.job_id = p_job AND d.epoch = p_epoch AND d.worker IS NOT NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'stale';
    END IF;
    -- updated_at stays: see `edited` in claim_jobs.
    UPDATE public.jobs j SET error_code = p_code, error_message = left(p_message, 2000)
    WHERE j.id = p_job AND (j.error_code, j.error_message) IS DISTINCT FROM (p_code, left(p_message, 2000));
    IF p_withdraw THEN
        DELETE FROM vsl.attempts a WHERE a.id = v_dispatch.attempt_id AND a.provider_id IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'VS002', MESSAGE = 'the attempt was answered and cannot be withdrawn';
        END IF;
        IF v_dispatch.cancel_requested THEN
            UPDATE vsl.dispatch d SET attempt_id = NULL, attempts = d.attempts - 1 WHERE d.job_id = p_job;
            PERFORM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
                'job_id', p_job, 'attempt_id', NULL, 'epoch', p_epoch, 'outcome', 'cancelled'
            )));
            RETURN 'cancelled';
        END IF;
    END IF;
    UPDATE vsl.dispatch d
    SET worker = NULL, lease_until = NULL,
        due_at = now() + make_interval(secs => p_seconds),
        attempt_id = CASE WHEN p_withdraw THEN NULL ELSE d.attempt_id END,
        attempts = d.attempts - p_withdraw::integer,
        phase = CASE
            WHEN p_withdraw THEN 'submit'
            WHEN p_unknown OR d.phase = 'submit' AND d.attempt_id IS NOT NULL THEN 'unknown'
            ELSE d.phase
        END
    WHERE d.job_id = p_job;
    RETURN 'deferred';
END
$$;
COMMENT ON FUNCTION vsl.defer_job(uuid, bigint, double precision, text, text, boolean, boolean) IS 'A worker lets go of a job that something holds up, and says what.';
