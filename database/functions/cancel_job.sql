-- Cancels a job. One that nothing was sent for ends at once: answers cancelled. One whose attempt is
-- under way is asked to stop, and its status changes when its outcome is known: answers requested.
CREATE OR REPLACE FUNCTION vsl.cancel_job(p_job_id text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
AS $$
DECLARE
    v_id uuid;
    v_dispatch vsl.dispatch;
    v_status text;
    v_driven boolean;
BEGIN
    -- Dispatch before jobs, as everywhere. A driven job without a dispatch row has ended, unless a
    -- retry was committed between the looks: then the next one finds its new row.
    LOOP
        SELECT j.id INTO v_id FROM public.jobs j WHERE j.job_id = p_job_id;
        SELECT * INTO v_dispatch FROM vsl.dispatch d WHERE d.job_id = v_id FOR UPDATE;
        EXIT WHEN FOUND;
        SELECT j.status, j.driven INTO v_status, v_driven FROM public.jobs j WHERE j.id = v_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'VS004', MESSAGE = format('there is no job %L', left(p_job_id, 255));
        END IF;
        EXIT WHEN NOT v_driven OR v_status IN ('completed', 'failed', 'cancelled');
    END LOOP;
    IF v_dispatch.job_id IS NOT NULL AND v_dispatch.attempt_id IS NOT NULL THEN
        UPDATE vsl.dispatch d SET cancel_requested = true WHERE d.job_id = v_id;
        UPDATE public.jobs j SET cancel_requested_at = now(), updated_at = now() WHERE j.id = v_id AND j.cancel_requested_at IS NULL;
        PERFORM pg_notify('vsl_cancel', '');
        RETURN 'requested';
    ELSIF v_dispatch.job_id IS NOT NULL THEN
        UPDATE public.jobs j SET cancel_requested_at = now(), updated_at = now() WHERE j.id = v_id;
        PERFORM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
            'job_id', v_id, 'attempt_id', NULL, 'epoch', v_dispatch.epoch, 'outcome', 'cancelled'
        )));
        RETURN 'cancelled';
    END IF;
    IF NOT v_driven THEN
        SELECT j.status INTO v_status FROM public.jobs j WHERE j.id = v_id FOR UPDATE;
    END IF;
    IF v_status IN ('completed', 'failed') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s and can no longer be cancelled', p_job_id, v_status);
    END IF;
    UPDATE public.jobs j SET status = 'cancelled', cancel_requested_at = now(), updated_at = now()
    WHERE j.id = v_id AND j.status <> 'cancelled' AND NOT j.driven;
    RETURN 'cancelled';
END
$$;
COMMENT ON FUNCTION vsl.cancel_job(text) IS 'Cancels a job; answers cancelled or requested.';
