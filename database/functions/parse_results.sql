-- The results of finish_jobs as rows, one for each job; of a job named twice, the first.
CREATE OR REPLACE FUNCTION vsl.parse_results(p_results jsonb)
RETURNS TABLE (
    job_id uuid, attempt_id uuid, epoch bigint, outcome text, processing_time numeric,
    error_code text, error_message text, outputs jsonb
)
LANGUAGE sql IMMUTABLE ROWS 10
BEGIN ATOMIC
    SELECT DISTINCT ON (r.job_id)
        r.job_id, r.attempt_id, r.epoch, r.outcome, r.processing_time, r.error_code, r.error_message,
        coalesce(r.outputs, '[]')
    FROM ROWS FROM (jsonb_to_recordset(p_results) AS (
        job_id uuid, attempt_id uuid, epoch bigint, outcome text, processing_time numeric,
        error_code text, error_message text, outputs jsonb
    )) WITH ORDINALITY AS r (
        job_id, attempt_id, epoch, outcome, processing_time, error_code, error_message, outputs, place
    )
    ORDER BY r.job_id, r.place;
END;
COMMENT ON FUNCTION vsl.parse_results(jsonb) IS 'The results of finish_jobs as rows; internal.';
