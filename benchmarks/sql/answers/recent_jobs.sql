-- The seed: a user's recent jobs with status.
SELECT job_id, media_type, model_id, status, created_at
FROM jobs
WHERE user_id = %(user)s
ORDER BY created_at DESC
LIMIT 10;
