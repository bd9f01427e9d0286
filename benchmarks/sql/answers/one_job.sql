-- The floor of a user's answers: one row by its key.
SELECT job_id, media_type, model_id, status, created_at FROM jobs WHERE job_id = %(job)s;
