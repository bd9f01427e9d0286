-- The original layout as an ordinary author wrote it: its tables, without VSL's machinery.
CREATE TABLE jobs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id VARCHAR(255) UNIQUE NOT NULL,
    media_type VARCHAR(50) NOT NULL CHECK (media_type IN ('video', 'image', 'audio')),
    model_id VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'pending',
    replicate_id VARCHAR(255),
    parameters JSONB DEFAULT '{}',
    prompt TEXT,
    user_id VARCHAR(255),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    completed_at TIMESTAMP WITH TIME ZONE,
    estimated_time INTEGER,
    estimated_cost DECIMAL(10,4),
    actual_processing_time INTEGER,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,
    metadata JSONB DEFAULT '{}'
);
CREATE INDEX idx_jobs_user_id ON jobs (user_id);
CREATE INDEX idx_jobs_status ON jobs (status);
CREATE INDEX idx_jobs_parameters ON jobs USING gin (parameters);

CREATE TABLE media_outputs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id UUID NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    media_type VARCHAR(50) NOT NULL,
    s3_key VARCHAR(500),
    s3_url TEXT,
    s3_bucket VARCHAR(255),
    file_type VARCHAR(50),
    file_size BIGINT,
    duration DECIMAL(10,2),
    width INTEGER,
    height INTEGER,
    fps DECIMAL(5,2),
    bitrate INTEGER,
    thumbnail_url TEXT,
    preview_url TEXT,
    waveform_url TEXT,
    metadata JSONB DEFAULT '{}',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE model_configurations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    model_id VARCHAR(255) UNIQUE NOT NULL,
    media_type VARCHAR(50) NOT NULL,
    provider VARCHAR(100) DEFAULT 'replicate',
    replicate_version VARCHAR(255),
    replicate_owner VARCHAR(255),
    replicate_model VARCHAR(255),
    is_active BOOLEAN DEFAULT TRUE,
    is_beta BOOLEAN DEFAULT FALSE,
    configuration JSONB DEFAULT '{}',
    supported_parameters JSONB DEFAULT '{}',
    pricing_per_unit DECIMAL(10,6),
    estimated_time_seconds INTEGER,
    description TEXT,
    tags TEXT[],
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE usage_tracking (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id UUID REFERENCES jobs(id) ON DELETE SET NULL,
    user_id VARCHAR(255) NOT NULL,
    estimated_cost DECIMAL(10,4),
    actual_cost DECIMAL(10,4),
    processing_time_seconds INTEGER,
    api_calls_count INTEGER DEFAULT 1,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    billing_period VARCHAR(7)
);

CREATE TABLE user_preferences (
    user_id VARCHAR(255) PRIMARY KEY,
    notification_enabled BOOLEAN DEFAULT TRUE,
    preferred_models JSONB DEFAULT '[]',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE schema_migrations (
    version VARCHAR(50) PRIMARY KEY,
    description TEXT,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO schema_migrations (version, description, applied_at)
VALUES ('1.0.0', 'Initial schema for VSL', '2024-02-03 04:05:06.789+00');

CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN NEW.updated_at = CURRENT_TIMESTAMP; RETURN NEW; END $$;
CREATE TRIGGER update_jobs_updated_at BEFORE UPDATE ON jobs
FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE VIEW v_recent_jobs_with_outputs AS
SELECT j.id, j.job_id, j.media_type, j.model_id, j.status, j.user_id, j.created_at, j.completed_at,
    j.actual_processing_time, j.estimated_cost, mo.s3_url, mo.thumbnail_url, mo.file_size, mo.duration, mo.width, mo.height
FROM jobs j LEFT JOIN media_outputs mo ON j.id = mo.job_id ORDER BY j.created_at DESC;

CREATE VIEW v_user_statistics AS
SELECT user_id, COUNT(*) AS total_jobs,
    COUNT(CASE WHEN status = 'completed' THEN 1 END) AS completed_jobs,
    COUNT(CASE WHEN status = 'failed' THEN 1 END) AS failed_jobs,
    COUNT(CASE WHEN status = 'processing' THEN 1 END) AS processing_jobs,
    SUM(actual_processing_time) AS total_processing_time,
    AVG(actual_processing_time) AS avg_processing_time,
    SUM(estimated_cost) AS total_estimated_cost,
    MAX(created_at) AS last_job_created
FROM jobs GROUP BY user_id;
