-- Move the original tables and views out of the way, to where they are kept.
CREATE SCHEMA vsl_original;
COMMENT ON SCHEMA vsl_original IS 'The tables as they were before VSL adopted this database. Nothing uses them; drop the schema when you no longer need it.';

DO $$
DECLARE
    v_relation record;
    v_owner regrole;
BEGIN
    -- Whoever owned the tables goes on seeing them.
    SELECT c.relowner INTO v_owner
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r'
        AND c.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking')
    GROUP BY c.relowner
    ORDER BY count(*) DESC
    LIMIT 1;
    IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
        EXECUTE format('ALTER SCHEMA vsl_original OWNER TO %s', v_owner);
    END IF;
    FOR v_relation IN
        SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'v')
            AND c.relname IN (
                'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
                'v_recent_jobs_with_outputs', 'v_user_statistics'
            )
        ORDER BY c.oid
    LOOP
        EXECUTE format('ALTER %s %s SET SCHEMA vsl_original', v_relation.kind, v_relation.name);
    END LOOP;
END
$$;
