-- Driven jobs to drain, submitted through the triggers as all are.
INSERT INTO jobs (model_id, user_id, prompt, parameters)
SELECT %(model)s, 'user-' || n %% 50, 'a lighthouse over a turquoise sea at dawn, picture ' || n || ' of a long series',
    jsonb_build_object('seed', n, 'aspect_ratio', '16:9', 'output_format', 'png')
FROM generate_series(1, %(count)s::integer) AS n;
