-- Finished jobs, written at once: the owner has switched the triggers off.
INSERT INTO jobs (
    job_id, media_type, model_id, status, parameters, prompt, user_id, created_at, completed_at, estimated_time,
    estimated_cost, actual_processing_time, actual_cost, driven
)
SELECT
    'job_' || md5(n::text), 'image', %(model)s, 'completed', jsonb_build_object('seed', n),
    'a lighthouse over a turquoise sea at dawn, picture ' || n, 'user-' || n %% 1000,
    now() - n * interval '10 seconds', now() - n * interval '10 seconds', 5, 0.003, 1.25, 0.003, true
FROM generate_series(%(first)s::integer, %(last)s::integer) AS n;
