-- Free jobs whose lease is past due.
SELECT id, lost_worker, result FROM vsl.rescue_jobs(%(count)s::integer);
