-- A thousand sound rows in each table of the original layout; vsl-image and sdxl are VSL's models, too.
INSERT INTO model_configurations (
    model_id, media_type, provider, replicate_version, replicate_owner, replicate_model, is_active, is_beta, configuration,
    supported_parameters, pricing_per_unit, estimated_time_seconds, description, tags, created_at, updated_at
)
SELECT
    CASE n WHEN 0 THEN 'vsl-image' WHEN 1 THEN 'sdxl' ELSE 'model-' || n END,
    CASE WHEN n < 2 THEN 'image' ELSE (ARRAY['video', 'image', 'audio'])[n % 3 + 1] END,
    (ARRAY['replicate', 'openai', 'fal'])[n % 3 + 1], md5(n::text), 'owner', 'model', n % 7 <> 0, n % 5 = 0,
    jsonb_build_object('n', n), '{"type": "object"}', n * 0.000125, n % 90 + 1, 'Model ' || n, ARRAY['a', 'tag ' || n],
    '2024-01-01 00:00:00.123456+00'::timestamptz + n * interval '1 minute', '2024-02-01'::timestamptz + n * interval '1 second'
FROM generate_series(0, 999) n;

INSERT INTO jobs (
    job_id, media_type, model_id, status, replicate_id, parameters, prompt, user_id, created_at, updated_at, completed_at,
    estimated_time, estimated_cost, actual_processing_time, error_message, retry_count, metadata
)
SELECT
    'job-' || n, m.media_type, m.model_id, s.status,
    CASE WHEN s.status <> 'pending' THEN 'r' || md5(n::text) END,
    jsonb_build_object('seed', n, 'text', E'a\n"b"', 'list', jsonb_build_array(n, 1.50, NULL)), 'Prompt ' || n || E' – ünïcödé\t', 'user-' || n % 17,
    '2024-03-01 00:00:00.654321+00'::timestamptz + n * interval '61 seconds',
    '2024-04-01 00:00:00+00'::timestamptz + n * interval '1 second',
    CASE WHEN s.status = 'completed' THEN '2024-03-01 01:00:00.000001+00'::timestamptz + n * interval '61 seconds' END,
    n % 100, n * 0.0037, CASE WHEN s.status = 'completed' THEN n % 300 END, CASE WHEN s.status = 'failed' THEN 'out of memory' END,
    n % 3, jsonb_build_object('source', 'web', 'n', n)
FROM generate_series(0, 999) n
CROSS JOIN LATERAL (SELECT (ARRAY['completed', 'completed', 'failed', 'cancelled', 'pending', 'processing'])[n % 6 + 1] AS status) s
JOIN LATERAL (SELECT * FROM model_configurations WHERE model_id = CASE n WHEN 0 THEN 'vsl-image' WHEN 1 THEN 'sdxl' WHEN 4 THEN 'vsl-image' ELSE 'model-' || greatest(n, 2) END) m ON true;

INSERT INTO media_outputs (
    job_id, media_type, s3_key, s3_url, s3_bucket, file_type, file_size, duration, width, height, fps, bitrate, thumbnail_url,
    preview_url, waveform_url, metadata, created_at
)
SELECT
    j.id, j.media_type, 'k/' || n, 's3://b/k/' || n, 'b', j.media_type || '/x', 1000 + n,
    CASE WHEN j.media_type <> 'image' THEN n * 0.5 + 0.25 END, CASE WHEN j.media_type <> 'audio' THEN 640 END,
    CASE WHEN j.media_type <> 'audio' THEN 480 END, CASE WHEN j.media_type = 'video' THEN 29.97 END,
    CASE WHEN j.media_type <> 'image' THEN 128000 END, 't/' || n, 'p/' || n, 'w/' || n, '{"kept": true}',
    '2024-03-02'::timestamptz + n * interval '1 second'
FROM generate_series(0, 999) n
JOIN jobs j ON j.job_id = 'job-' || n;

INSERT INTO usage_tracking (job_id, user_id, estimated_cost, actual_cost, processing_time_seconds, api_calls_count, created_at, billing_period)
SELECT j.id, j.user_id, j.estimated_cost, j.estimated_cost * 2, n % 300, n % 4, '2024-03-03'::timestamptz + n * interval '1 second', '2024-03'
FROM generate_series(0, 999) n
JOIN jobs j ON j.job_id = 'job-' || n;

INSERT INTO user_preferences (user_id, notification_enabled, preferred_models, created_at)
SELECT 'user-' || n, n % 2 = 0, jsonb_build_array('sdxl', n), '2024-01-01'::timestamptz + n * interval '1 hour'
FROM generate_series(0, 999) n;
