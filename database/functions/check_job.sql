-- Says in plain words what is wrong with a row of jobs, before a constraint can: a failed
-- constraint prints the whole row, prompt included, to the client and the server's log.
-- The named constraints of the table stand behind it.
CREATE OR REPLACE FUNCTION vsl.check_job(p_job public.jobs) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    v_broken text := CASE
        WHEN p_job.user_id IS NULL OR char_length(p_job.user_id) NOT BETWEEN 1 AND 255 OR p_job.user_id ~ '[[:cntrl:]]' THEN 'jobs_user_id_form'
        WHEN p_job.job_id IS NULL OR char_length(p_job.job_id) NOT BETWEEN 1 AND 255 OR p_job.job_id ~ '[[:cntrl:]]' THEN 'jobs_job_id_form'
        WHEN p_job.media_type IS NULL OR p_job.media_type NOT IN ('video', 'image', 'audio') THEN 'jobs_media_type_known'
        WHEN p_job.status IS NULL OR p_job.status NOT IN ('pending', 'processing', 'completed', 'failed', 'cancelled') THEN 'jobs_status_known'
        WHEN char_length(p_job.prompt) > 100000 THEN 'jobs_prompt_length'
        WHEN p_job.parameters IS NULL OR jsonb_typeof(p_job.parameters) <> 'object' THEN 'jobs_parameters_object'
        WHEN p_job.metadata IS NULL OR jsonb_typeof(p_job.metadata) <> 'object' THEN 'jobs_metadata_object'
        WHEN p_job.estimated_time < 0 THEN 'jobs_estimated_time_not_negative'
        WHEN p_job.estimated_cost < 0 OR p_job.estimated_cost = 'NaN' THEN 'jobs_estimated_cost_not_negative'
        WHEN p_job.actual_cost < 0 OR p_job.actual_cost = 'NaN' THEN 'jobs_actual_cost_not_negative'
        WHEN p_job.actual_processing_time < 0 OR p_job.actual_processing_time = 'NaN' THEN 'jobs_processing_time_not_negative'
        WHEN p_job.retry_count IS NULL OR p_job.retry_count < 0 THEN 'jobs_retry_count_not_negative'
        WHEN p_job.created_at IS NULL THEN 'jobs_created_at_set'
        WHEN (p_job.status = 'completed') <> (p_job.completed_at IS NOT NULL) THEN 'jobs_completed_has_completed_at'
    END;
BEGIN
    IF v_broken IS NULL THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = CASE v_broken
            WHEN 'jobs_user_id_form' THEN 'user_id must be 1 to 255 characters without control characters'
            WHEN 'jobs_job_id_form' THEN 'job_id must be 1 to 255 characters without control characters'
            WHEN 'jobs_media_type_known' THEN 'media_type must be video, image or audio'
            WHEN 'jobs_status_known' THEN 'status must be pending, processing, completed, failed or cancelled'
            WHEN 'jobs_prompt_length' THEN format('prompt has %s characters; at most 100000 are accepted', char_length(p_job.prompt))
            WHEN 'jobs_parameters_object' THEN 'parameters must be a JSON object'
            WHEN 'jobs_metadata_object' THEN 'metadata must be a JSON object'
            WHEN 'jobs_estimated_time_not_negative' THEN 'estimated_time must not be negative'
            WHEN 'jobs_estimated_cost_not_negative' THEN 'estimated_cost must be a number and not negative'
            WHEN 'jobs_actual_cost_not_negative' THEN 'actual_cost must be a number and not negative'
            WHEN 'jobs_processing_time_not_negative' THEN 'actual_processing_time must be a number and not negative'
            WHEN 'jobs_retry_count_not_negative' THEN 'retry_count must not be negative'
            WHEN 'jobs_created_at_set' THEN 'created_at must be set'
            WHEN 'jobs_completed_has_completed_at' THEN 'completed_at must be set exactly when status is completed'
        END,
        SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = v_broken;
END
$$;
COMMENT ON FUNCTION vsl.check_job(public.jobs) IS 'Raises, in plain words, what is wrong with a row of jobs.';
