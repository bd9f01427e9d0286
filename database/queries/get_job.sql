-- Everything about one job but its outputs and attempts.
SELECT
    id, job_id, status, model_id, media_type, user_id, driven, prompt, parameters, metadata,
    created_at, updated_at, completed_at, cancel_requested_at, estimated_time, actual_processing_time,
    estimated_cost, actual_cost, retry_count, error_code, error_message, replicate_id
FROM jobs
WHERE job_id = %(job_id)s::text;
