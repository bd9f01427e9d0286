-- Jobs that have been pending or processing for more than an hour, oldest first.
SELECT
    job_id,
    user_id,
    model_id,
    status,
    created_at,
    extract(epoch FROM now() - created_at)::bigint AS age_seconds
FROM jobs
WHERE status IN ('pending', 'processing')
    AND created_at < now() - interval '1 hour'
ORDER BY created_at;
