-- Submits a job: one INSERT, for callers that prefer a function. The triggers on jobs do the rest.
-- p_notify => false leaves waking the workers to the caller, after its commit.
CREATE OR REPLACE FUNCTION vsl.submit_job(
    p_model_id text,
    p_user_id text,
    p_prompt text DEFAULT NULL,
    p_parameters jsonb DEFAULT '{}',
    p_metadata jsonb DEFAULT '{}',
    p_job_id text DEFAULT NULL,
    p_notify boolean DEFAULT true,
    OUT id uuid,
    OUT job_id text,
    OUT media_type text,
    OUT estimated_cost numeric,
    OUT estimated_time integer
)
LANGUAGE plpgsql SECURITY INVOKER
AS $$
#variable_conflict use_column
DECLARE
    v_notify text;
BEGIN
    IF NOT p_notify THEN
        -- An assignment, not PERFORM: evaluated without starting the executor.
        v_notify := set_config('vsl.notify', 'off', true);
    END IF;
    INSERT INTO public.jobs AS j (job_id, model_id, user_id, prompt, parameters, metadata)
    VALUES (p_job_id, p_model_id, p_user_id, p_prompt, p_parameters, p_metadata)
    RETURNING j.id, j.job_id, j.media_type, j.estimated_cost, j.estimated_time
    INTO id, job_id, media_type, estimated_cost, estimated_time;
END
$$;
COMMENT ON FUNCTION vsl.submit_job(text, text, text, jsonb, jsonb, text, boolean) IS 'Submits a job.';
