-- Keeps the rules of an UPDATE of jobs: what a person may not change by hand on a driven job, and
-- which moves of the status a tracked one may make. VSL's own functions do not pass here.
CREATE OR REPLACE FUNCTION vsl.guard_job() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_field text;
BEGIN
    new.updated_at := now();
    v_field := CASE
        WHEN new.id IS DISTINCT FROM old.id THEN 'id'
        WHEN new.driven IS DISTINCT FROM old.driven THEN 'driven'
        WHEN NOT old.driven THEN NULL
        WHEN new.status IS DISTINCT FROM old.status THEN 'status'
        WHEN new.replicate_id IS DISTINCT FROM old.replicate_id THEN 'replicate_id'
        WHEN new.completed_at IS DISTINCT FROM old.completed_at THEN 'completed_at'
        WHEN new.estimated_cost IS DISTINCT FROM old.estimated_cost THEN 'estimated_cost'
        WHEN new.actual_cost IS DISTINCT FROM old.actual_cost THEN 'actual_cost'
        WHEN new.actual_processing_time IS DISTINCT FROM old.actual_processing_time THEN 'actual_processing_time'
        WHEN new.cancel_requested_at IS DISTINCT FROM old.cancel_requested_at THEN 'cancel_requested_at'
        WHEN new.job_id IS DISTINCT FROM old.job_id THEN 'job_id'
        WHEN new.user_id IS DISTINCT FROM old.user_id THEN 'user_id'
        WHEN new.model_id IS DISTINCT FROM old.model_id THEN 'model_id'
        WHEN new.media_type IS DISTINCT FROM old.media_type THEN 'media_type'
    END;
    IF v_field IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS001',
            MESSAGE = format('%s of job %s is kept by VSL and cannot be changed by hand', v_field, old.job_id),
            HINT = CASE
                WHEN v_field = 'status' AND new.status = 'cancelled' THEN format('Call SELECT vsl.cancel_job(%L).', old.job_id)
                WHEN v_field = 'status' AND new.status = 'pending' THEN format('Call SELECT vsl.retry_job(%L).', old.job_id)
                WHEN v_field IN ('status', 'completed_at', 'actual_cost', 'actual_processing_time') THEN 'Workers end jobs through vsl.finish_jobs.'
                WHEN v_field = 'replicate_id' THEN 'Workers record it through vsl.record_prediction.'
                WHEN v_field = 'cancel_requested_at' THEN format('Call SELECT vsl.cancel_job(%L).', old.job_id)
                ELSE 'Submit a new job with vsl.submit_job.'
            END;
    END IF;
    IF new.status IS DISTINCT FROM old.status THEN
        PERFORM vsl.check_move(old.job_id, old.status, new.status);
        IF new.status = 'completed' THEN
            new.completed_at := coalesce(new.completed_at, now());
        END IF;
    END IF;
    PERFORM vsl.check_job(new);
    IF (new.model_id, new.media_type) IS DISTINCT FROM (old.model_id, old.media_type) THEN
        PERFORM vsl.check_model_of_job(new);
        IF new.media_type <> old.media_type AND EXISTS (SELECT FROM public.media_outputs o WHERE o.job_id = old.id) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS001',
                MESSAGE = format('job %s has outputs, so its media_type stays %s', old.job_id, old.media_type);
        END IF;
    END IF;
    RETURN new;
END
$$;
COMMENT ON FUNCTION vsl.guard_job() IS 'Keeps the rules of an UPDATE of jobs.';

CREATE OR REPLACE TRIGGER guard_job BEFORE UPDATE ON public.jobs
FOR EACH ROW WHEN (NOT vsl.by_function()) EXECUTE FUNCTION vsl.guard_job();
