-- Which attempt works on which job.
UPDATE floor_dispatch d SET attempt_id = e.attempt_id, attempts = d.attempts + 1, phase = 'submit'
FROM unnest(%(jobs)s::uuid[], %(attempts)s::uuid[]) AS e (job_id, attempt_id)
WHERE d.job_id = e.job_id;
