-- A job's status.
SELECT status FROM jobs WHERE job_id = %(job_id)s::text;
