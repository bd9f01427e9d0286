-- Keep everybody away from the original tables, and from those that refer to them.
DO $$
DECLARE
    v_tables text;
BEGIN
    SELECT string_agg(t.oid::regclass::text, ', ' ORDER BY t.oid) INTO v_tables
    FROM (
        SELECT c.oid
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r'
            AND c.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences')
        UNION
        SELECT f.conrelid
        FROM pg_catalog.pg_constraint f
        JOIN pg_catalog.pg_class c ON c.oid = f.confrelid
        WHERE f.contype = 'f' AND f.conparentid = 0 AND c.relnamespace = to_regnamespace('public')
            AND c.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences')
    ) t;
    EXECUTE 'LOCK TABLE ' || v_tables || ' IN ACCESS EXCLUSIVE MODE';
END
$$;
