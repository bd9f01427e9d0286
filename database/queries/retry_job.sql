-- Run a failed or cancelled job again.
SELECT vsl.retry_job(%(job_id)s::text);
