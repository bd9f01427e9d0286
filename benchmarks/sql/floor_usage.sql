-- What was used.
INSERT INTO floor_usage
    (job_id, public_job_id, user_id, run, estimated_cost, actual_cost, processing_time_seconds, api_calls_count)
SELECT e.job_id, e.public_job_id, e.user_id, 1, e.cost, e.cost, e.processing_time, 1
FROM unnest(%(ended)s::uuid[], %(names)s::text[], %(users)s::text[], %(costs)s::numeric[], %(times)s::numeric[])
    AS e (job_id, public_job_id, user_id, cost, processing_time);
