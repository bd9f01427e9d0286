-- Refuses to delete a driven job that has not ended: its money is held and a worker may be on it.
CREATE OR REPLACE FUNCTION vsl.guard_job_removal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tg_op = 'TRUNCATE' THEN
        IF EXISTS (SELECT FROM vsl.dispatch) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS003',
                MESSAGE = 'jobs cannot be truncated while driven jobs are live',
                HINT = 'Let them end, or cancel them with vsl.cancel_job.';
        END IF;
        RETURN NULL;
    END IF;
    IF old.driven AND EXISTS (SELECT FROM vsl.dispatch d WHERE d.job_id = old.id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS003',
            MESSAGE = format('job %s has not ended and cannot be deleted', old.job_id),
            HINT = format('Cancel it first: SELECT vsl.cancel_job(%L).', old.job_id);
    END IF;
    RETURN old;
END
$$;
COMMENT ON FUNCTION vsl.guard_job_removal() IS 'Refuses to delete a driven job that has not ended.';

CREATE OR REPLACE TRIGGER guard_job_removal BEFORE DELETE ON public.jobs
FOR EACH ROW EXECUTE FUNCTION vsl.guard_job_removal();

CREATE OR REPLACE TRIGGER guard_jobs_truncate BEFORE TRUNCATE ON public.jobs
FOR EACH STATEMENT EXECUTE FUNCTION vsl.guard_job_removal();
