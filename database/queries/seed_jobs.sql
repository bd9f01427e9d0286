-- Make the jobs numbered first to last, with their outputs and usage, of a history that ends at a moment:
-- the same numbers and seed, the same jobs. Every twentieth is the heaviest user's; of the last half per
-- cent, some are under way.
WITH numbers AS (
    SELECT s.n, m.hash, ('x' || substr(m.hash, 24, 7))::bit(28)::integer AS draw
    FROM generate_series(%(first)s::integer, %(last)s::integer) s (n)
    CROSS JOIN LATERAL (SELECT md5(%(seed)s::integer || ':' || s.n) AS hash OFFSET 0) m
),
drawn AS (
    SELECT
        d.n, d.hash, d.draw,
        %(until)s::timestamptz - interval '180 days' * (1 - d.n / %(jobs)s::integer::float8) AS made_at,
        make_interval(secs => 2 + d.draw %% 900 / 10.0) AS took,
        (ARRAY['image', 'image', 'image', 'video', 'audio'])[1 + d.draw / 7 %% 5] AS media_type,
        CASE
            WHEN d.n > %(jobs)s::integer * 0.995 AND d.draw %% 16 = 0 THEN 'processing'
            WHEN d.draw / 16 %% 20 = 0 THEN 'failed'
            WHEN d.draw / 16 %% 50 = 1 THEN 'cancelled'
            ELSE 'completed'
        END AS status
    FROM numbers d
),
made AS (
    INSERT INTO jobs (
        id, job_id, media_type, model_id, status, prompt, parameters, user_id, created_at, updated_at, completed_at,
        estimated_time, estimated_cost, actual_processing_time, actual_cost, error_message, error_code
    )
    SELECT
        -- Version 7, as vsl.uuid7() makes them, but of these times.
        (
            lpad(to_hex((extract(epoch FROM d.made_at) * 1000)::bigint), 12, '0')
            || '7' || substr(d.hash, 1, 3) || '8' || substr(d.hash, 4, 15)
        )::uuid,
        'bench-' || %(seed)s::integer || '-' || d.n,
        d.media_type,
        'bench-' || d.media_type,
        d.status,
        'made-up scene ' || d.hash || ' in the manner of ' || d.hash || d.hash,
        jsonb_build_object('seed', d.n, 'width', 1024, 'height', 768, 'steps', 20 + d.draw %% 30),
        CASE WHEN d.n %% 20 = 0 THEN 'bench-user-heavy' ELSE 'bench-user-' || d.draw %% %(users)s::integer END,
        d.made_at,
        d.made_at + d.took,
        CASE WHEN d.status = 'completed' THEN d.made_at + d.took END,
        60,
        0.002 + d.draw %% 97 * 0.0005,
        CASE WHEN d.status = 'completed' THEN extract(epoch FROM d.took)::numeric(12, 3) END,
        CASE WHEN d.status = 'completed' THEN 0.002 + d.draw %% 97 * 0.0005 END,
        CASE WHEN d.status = 'failed' THEN 'the model ended with an error' END,
        CASE WHEN d.status = 'failed' THEN 'prediction_failed' END
    FROM drawn d
    RETURNING id, job_id, media_type, status, user_id, completed_at, estimated_cost, actual_cost, actual_processing_time
),
outputs AS (
    INSERT INTO media_outputs (
        id, job_id, media_type, s3_key, s3_url, s3_bucket, file_type, file_size, duration, width, height, fps, created_at, ordinal
    )
    SELECT
        -- Its job's identifier with another variant digit, so that it need not be drawn.
        overlay(m.id::text PLACING '9' FROM 20)::uuid,
        m.id, m.media_type,
        'bench/' || m.job_id, 's3://bench/bench/' || m.job_id, 'bench',
        CASE m.media_type WHEN 'image' THEN 'image/png' WHEN 'video' THEN 'video/mp4' ELSE 'audio/wav' END,
        (m.actual_processing_time * 90000)::bigint,
        CASE WHEN m.media_type <> 'image' THEN m.actual_processing_time / 3 END,
        CASE WHEN m.media_type <> 'audio' THEN 1024 END,
        CASE WHEN m.media_type <> 'audio' THEN 768 END,
        CASE WHEN m.media_type = 'video' THEN 24 END,
        m.completed_at, 0
    FROM made m
    WHERE m.status = 'completed'
)
INSERT INTO usage_tracking (
    id, job_id, user_id, estimated_cost, actual_cost, processing_time_seconds, created_at, billing_period, public_job_id
)
SELECT
    overlay(m.id::text PLACING 'a' FROM 20)::uuid,
    m.id, m.user_id, m.estimated_cost, m.actual_cost, m.actual_processing_time, m.completed_at,
    to_char(m.completed_at AT TIME ZONE 'UTC', 'YYYY-MM'), m.job_id
FROM made m
WHERE m.status = 'completed';
