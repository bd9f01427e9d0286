-- Add the generator's models, run by nobody: its jobs are tracked, so that no worker takes them.
INSERT INTO model_configurations (model_id, media_type, provider, description)
VALUES
    ('bench-image', 'image', 'external', 'Made by vsl bench seed'),
    ('bench-video', 'video', 'external', 'Made by vsl bench seed'),
    ('bench-audio', 'audio', 'external', 'Made by vsl bench seed')
ON CONFLICT (model_id) DO NOTHING;
