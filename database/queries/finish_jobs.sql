-- End a batch of jobs.
SELECT id, result, outcome, reason FROM vsl.finish_jobs(%(results)s::jsonb);
