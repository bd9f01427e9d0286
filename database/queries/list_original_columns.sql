-- The columns of the original tables beside those that VSL has in their place. found: the type there, NULL when the column is missing;
-- expected: VSL's type, NULL for a column that VSL has not. kind: what is read from it. required: without it, it is another table.
WITH layout (position, "table", "column", expected, kind, required) AS (
    VALUES
        (1, 'model_configurations', 'id', 'uuid', 'text', false),
        (2, 'model_configurations', 'model_id', 'text', 'text', true),
        (3, 'model_configurations', 'media_type', 'text', 'text', false),
        (4, 'model_configurations', 'provider', 'text', 'text', false),
        (5, 'model_configurations', 'replicate_version', 'text', 'text', false),
        (6, 'model_configurations', 'replicate_owner', 'text', 'text', false),
        (7, 'model_configurations', 'replicate_model', 'text', 'text', false),
        (8, 'model_configurations', 'is_active', 'boolean', 'text', false),
        (9, 'model_configurations', 'is_beta', 'boolean', 'text', false),
        (10, 'model_configurations', 'configuration', 'jsonb', 'json', false),
        (11, 'model_configurations', 'supported_parameters', 'jsonb', 'json', false),
        (12, 'model_configurations', 'pricing_per_unit', 'numeric(18,8)', 'number', false),
        (13, 'model_configurations', 'estimated_time_seconds', 'integer', 'number', false),
        (14, 'model_configurations', 'description', 'text', 'text', false),
        (15, 'model_configurations', 'tags', 'text[]', 'list', false),
        (16, 'model_configurations', 'created_at', 'timestamp with time zone', 'time', false),
        (17, 'model_configurations', 'updated_at', 'timestamp with time zone', 'time', false),
        (1, 'jobs', 'id', 'uuid', 'text', true),
        (2, 'jobs', 'job_id', 'text', 'text', false),
        (3, 'jobs', 'media_type', 'text', 'text', false),
        (4, 'jobs', 'model_id', 'text', 'text', true),
        (5, 'jobs', 'status', 'text', 'text', true),
        (6, 'jobs', 'replicate_id', 'text', 'text', false),
        (7, 'jobs', 'parameters', 'jsonb', 'json', false),
        (8, 'jobs', 'prompt', 'text', 'text', false),
        (9, 'jobs', 'user_id', 'text', 'text', false),
        (10, 'jobs', 'created_at', 'timestamp with time zone', 'time', false),
        (11, 'jobs', 'updated_at', 'timestamp with time zone', 'time', false),
        (12, 'jobs', 'completed_at', 'timestamp with time zone', 'time', false),
        (13, 'jobs', 'estimated_time', 'integer', 'number', false),
        (14, 'jobs', 'estimated_cost', 'numeric(18,8)', 'number', false),
        (15, 'jobs', 'actual_processing_time', 'numeric(12,3)', 'number', false),
        (16, 'jobs', 'error_message', 'text', 'text', false),
        (17, 'jobs', 'retry_count', 'integer', 'number', false),
        (18, 'jobs', 'metadata', 'jsonb', 'json', false),
        (19, 'jobs', 'actual_cost', 'numeric(18,8)', 'number', false),
        (1, 'media_outputs', 'id', 'uuid', 'text', false),
        (2, 'media_outputs', 'job_id', 'uuid', 'text', true),
        (3, 'media_outputs', 'media_type', 'text', 'text', false),
        (4, 'media_outputs', 's3_key', 'text', 'text', false),
        (5, 'media_outputs', 's3_url', 'text', 'text', false),
        (6, 'media_outputs', 's3_bucket', 'text', 'text', false),
        (7, 'media_outputs', 'file_type', 'text', 'text', false),
        (8, 'media_outputs', 'file_size', 'bigint', 'number', false),
        (9, 'media_outputs', 'duration', 'numeric(12,3)', 'number', false),
        (10, 'media_outputs', 'width', 'integer', 'number', false),
        (11, 'media_outputs', 'height', 'integer', 'number', false),
        (12, 'media_outputs', 'fps', 'numeric(8,3)', 'number', false),
        (13, 'media_outputs', 'bitrate', 'bigint', 'number', false),
        (14, 'media_outputs', 'thumbnail_url', 'text', 'text', false),
        (15, 'media_outputs', 'preview_url', 'text', 'text', false),
        (16, 'media_outputs', 'waveform_url', 'text', 'text', false),
        (17, 'media_outputs', 'metadata', 'jsonb', 'json', false),
        (18, 'media_outputs', 'created_at', 'timestamp with time zone', 'time', false),
        (1, 'usage_tracking', 'id', 'uuid', 'text', false),
        (2, 'usage_tracking', 'job_id', 'uuid', 'text', true),
        (3, 'usage_tracking', 'user_id', 'text', 'text', false),
        (4, 'usage_tracking', 'estimated_cost', 'numeric(18,8)', 'number', false),
        (5, 'usage_tracking', 'actual_cost', 'numeric(18,8)', 'number', false),
        (6, 'usage_tracking', 'processing_time_seconds', 'numeric(12,3)', 'number', false),
        (7, 'usage_tracking', 'api_calls_count', 'integer', 'number', false),
        (8, 'usage_tracking', 'created_at', 'timestamp with time zone', 'time', false),
        (9, 'usage_tracking', 'billing_period', 'text', 'text', false),
        (1, 'user_preferences', 'user_id', 'character varying(255)', 'text', true),
        (2, 'user_preferences', 'notification_enabled', 'boolean', 'text', false),
        (3, 'user_preferences', 'preferred_models', 'jsonb', 'any', false),
        (4, 'user_preferences', 'created_at', 'timestamp with time zone', 'time', false),
        (1, 'schema_migrations', 'version', 'character varying(50)', 'text', true),
        (2, 'schema_migrations', 'description', 'text', 'text', true),
        (3, 'schema_migrations', 'applied_at', 'timestamp with time zone', 'time', false)
),
tables AS (
    SELECT c.oid, c.relname
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r' AND c.relname IN (SELECT l."table" FROM layout l)
),
columns AS (
    SELECT t.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type
    FROM tables t
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
),
expected AS (
    SELECT l.* FROM layout l WHERE l."table" IN (SELECT t.relname FROM tables t)
)
SELECT
    coalesce(e."table", c.relname::text) AS "table",
    coalesce(e."column", c.attname::text) AS "column",
    c.type AS found,
    e.expected,
    coalesce(e.kind, 'any') AS kind,
    coalesce(e.required, false) AS required
FROM expected e
FULL JOIN columns c ON c.relname = e."table" AND c.attname = e."column"
ORDER BY 1, e.position, c.attnum;
