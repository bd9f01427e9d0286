-- The attempts are done.
UPDATE floor_attempts a
SET outcome = 'completed', ended_at = now(), cost = e.cost, processing_time = e.processing_time
FROM unnest(%(attempts)s::uuid[], %(times)s::numeric[], %(costs)s::numeric[]) AS e (attempt_id, processing_time, cost)
WHERE a.id = e.attempt_id;
