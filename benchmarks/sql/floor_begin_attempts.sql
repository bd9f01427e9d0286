-- One attempt for each job.
INSERT INTO floor_attempts (job_id, run, number, provider, model_id, epoch)
SELECT e.job_id, 1, 1, 'replicate', %(model)s, e.epoch
FROM unnest(%(jobs)s::uuid[], %(epochs)s::bigint[]) AS e (job_id, epoch)
RETURNING id, job_id;
