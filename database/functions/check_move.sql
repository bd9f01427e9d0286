-- Refuses a move of a tracked job's status that is not forward. Final statuses are left only by
-- vsl.retry_job.
CREATE OR REPLACE FUNCTION vsl.check_move(p_job_id text, p_from text, p_to text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF p_from IN ('completed', 'failed', 'cancelled') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s, which is final', p_job_id, p_from),
            HINT = CASE
                WHEN p_from = 'completed' THEN 'Submit a new job to make the media again.'
                ELSE format('To run it again, call SELECT vsl.retry_job(%L).', p_job_id)
            END;
    END IF;
    IF p_to = 'pending' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s and cannot go back to pending', p_job_id, p_from),
            HINT = 'A status moves forward: pending, processing, then completed, failed or cancelled.';
    END IF;
END
$$;
COMMENT ON FUNCTION vsl.check_move(text, text, text) IS 'Refuses a move of a tracked job''s status that is not forward.';
