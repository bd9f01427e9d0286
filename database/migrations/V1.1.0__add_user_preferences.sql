CREATE TABLE user_preferences (
    user_id VARCHAR(255) PRIMARY KEY,
    notification_enabled BOOLEAN DEFAULT TRUE,
    preferred_models JSONB DEFAULT '[]',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);

INSERT INTO schema_migrations (version, description) VALUES
    ('1.1.0', 'Add user_preferences table');
