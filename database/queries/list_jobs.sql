-- The newest jobs, of all users or one, in any status or one, of any model or one.
SELECT
    j.job_id, j.status, j.model_id, j.media_type, j.user_id, j.created_at, j.completed_at,
    j.actual_processing_time, j.estimated_cost, j.actual_cost, j.retry_count, j.error_code, j.error_message,
    (SELECT count(*) FROM media_outputs o WHERE o.job_id = j.id)::integer AS outputs
FROM jobs j
WHERE (%(user_id)s::text IS NULL OR j.user_id = %(user_id)s::text)
    AND (%(status)s::text IS NULL OR j.status = %(status)s::text)
    AND (%(model_id)s::text IS NULL OR j.model_id = %(model_id)s::text)
ORDER BY j.created_at DESC, j.id DESC
LIMIT %(count)s::integer;
