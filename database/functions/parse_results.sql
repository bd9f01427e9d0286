-- The results of finish_jobs as rows, one for each job; of a job named twice, the first.
DROP FUNCTION IF EXISTS vsl.parse_results(jsonb);
CREATE OR REPLACE FUNCTION vsl.parse_results(p_results jsonb)
RETURNS TABLE (
    job_id uuid, attempt_id uuid, epoch bigint, outcome text, processing_time numeric,
    error_code text, error_message text, outputs jsonb, spent boolean
)
LANGUAGE sql IMMUTABLE ROWS 10
BEGIN ATOMIC
    SELECT DISTINCT ON (r.job_id)
        r.job_id, r.attempt_id, r.epoch, r.outcome, r.processing_time, r.error_code, r.error_message,
        coalesce(r.outputs, '[]'), coalesce(r.spent, false)
    FROM ROWS FROM (jsonb_to_recordset(p_results) AS (
        job_id uuid, attempt_id uuid, epoch bigint, outcome text, processing_time numeric,
        error_code text, error_message text, outputs jsonb, spent boolean
    )) WITH ORDINALITY AS r (
        job_id, attempt_id, epoch, outcome, processing_time, error_code, error_message, outputs, spent, place
    )
    ORDER BY r.job_id, r.place;
END;
COMMENT ON FUNCTION vsl.parse_results(jsonb) IS 'The results of finish_jobs as rows; internal.';
