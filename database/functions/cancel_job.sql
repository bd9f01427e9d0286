-- Cancels a job. One that nothing was sent for ends at once: answers cancelled. One whose attempt is
-- under way is asked to stop, and its status changes when its outcome is known: answers requested.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.cancel_job(p_job_id text) RETURNS text
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
BEGIN
    LOOP
        -- Only these columns: the row's prompt can be large.
        SELECT j.id, j.driven, j.status INTO v_job.id, v_job.driven, v_job.status
        FROM public.jobs j WHERE j.job_id = p_job_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'VS004', MESSAGE = format('there is no job %L', left(p_job_id, 255));
        END IF;
        -- Dispatch before jobs, as everywhere.
        SELECT * INTO v_dispatch FROM vsl.dispatch d WHERE d.job_id = v_job.id FOR UPDATE;
        IF FOUND AND v_dispatch.attempt_id IS NOT NULL THEN
            -- One that nobody holds waits for its provider: somebody is to ask it now.
            UPDATE vsl.dispatch d
            SET cancel_requested = true, due_at = CASE WHEN d.worker IS NULL THEN least(d.due_at, now()) ELSE d.due_at END
            WHERE d.job_id = v_job.id;
            UPDATE public.jobs j SET cancel_requested_at = now(), updated_at = now()
            WHERE j.id = v_job.id AND j.cancel_requested_at IS NULL;
            IF v_dispatch.worker IS NULL THEN
                PERFORM pg_notify('vsl_work', v_dispatch.lane);
            END IF;
            PERFORM pg_notify('vsl_cancel', '');
            RETURN 'requested';
        ELSIF FOUND THEN
            UPDATE public.jobs j SET cancel_requested_at = now(), updated_at = now() WHERE j.id = v_job.id;
            PERFORM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
                'job_id', v_job.id, 'attempt_id', NULL, 'epoch', v_dispatch.epoch, 'outcome', 'cancelled'
            )));
            RETURN 'cancelled';
        END IF;
        -- A driven job that looked live has ended, or one that looked ended runs again: look anew.
        EXIT WHEN NOT v_job.driven OR v_job.status IN ('completed', 'failed', 'cancelled');
    END LOOP;
    IF NOT v_job.driven THEN
        SELECT j.status INTO v_job.status FROM public.jobs j WHERE j.id = v_job.id FOR UPDATE;
    END IF;
    IF v_job.status IN ('completed', 'failed') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s and can no longer be cancelled', p_job_id, v_job.status);
    ELSIF v_job.status <> 'cancelled' THEN
        UPDATE public.jobs j SET status = 'cancelled', cancel_requested_at = now(), updated_at = now()
        WHERE j.id = v_job.id;
    END IF;
    RETURN 'cancelled';
END
$$;
COMMENT ON FUNCTION vsl.cancel_job(text) IS 'Cancels a job; answers cancelled or requested.';
