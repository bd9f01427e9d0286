-- Cancel a job.
SELECT vsl.cancel_job(%(job_id)s::text);
