-- The newest of a user's jobs with their outputs.
SELECT * FROM v_recent_jobs_with_outputs WHERE user_id = %(user)s LIMIT 10;
