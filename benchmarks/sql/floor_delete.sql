-- Nothing is left to do for the jobs.
DELETE FROM floor_dispatch WHERE job_id = ANY (%(jobs)s::uuid[]);
