-- Relations in schema public that bear names of VSL's.
SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = to_regnamespace('public')
    AND c.relname IN (
        'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
        'v_recent_jobs_with_outputs', 'v_user_statistics'
    );
