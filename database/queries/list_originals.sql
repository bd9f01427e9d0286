-- Relations in schema public that bear names of VSL's. owned: whether this login has the owner's rights.
SELECT
    c.relname::text AS name,
    CASE c.relkind
        WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'p' THEN 'partitioned table' WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' ELSE 'relation'
    END AS kind,
    pg_get_userbyid(c.relowner)::text AS owner,
    pg_has_role(c.relowner, 'USAGE') AS owned,
    has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class c
WHERE c.relnamespace = to_regnamespace('public')
    AND c.relname IN (
        'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
        'v_recent_jobs_with_outputs', 'v_user_statistics'
    )
ORDER BY c.relname;
