-- The jobs are done.
UPDATE floor_jobs j
SET status = 'completed', completed_at = now(), actual_processing_time = e.processing_time, actual_cost = e.cost,
    updated_at = now()
FROM unnest(%(jobs)s::uuid[], %(times)s::numeric[], %(costs)s::numeric[]) AS e (job_id, processing_time, cost)
WHERE j.id = e.job_id
RETURNING j.id, j.job_id, j.user_id;
