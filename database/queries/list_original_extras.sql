-- What stays with the original tables and does not come along: triggers, policies, publications, and who may use the tables.
WITH originals AS (
    SELECT c.oid, c.relname, c.relowner, c.relacl
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r'
        AND c.relname IN ('jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences')
)
SELECT 'trigger' AS kind, format('%%s on %%s', g.tgname, o.relname) AS name
FROM originals o
JOIN pg_catalog.pg_trigger g ON g.tgrelid = o.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'policy', format('%%s on %%s', p.polname, o.relname)
FROM originals o
JOIN pg_catalog.pg_policy p ON p.polrelid = o.oid
UNION ALL
SELECT 'rule', format('%%s on %%s', w.rulename, o.relname)
FROM originals o
JOIN pg_catalog.pg_rewrite w ON w.ev_class = o.oid
UNION ALL
SELECT 'foreign key', format('%%s on %%s, to %%s', f.conname, o.relname, f.confrelid::regclass)
FROM originals o
JOIN pg_catalog.pg_constraint f ON f.conrelid = o.oid AND f.contype = 'f'
WHERE f.confrelid NOT IN (SELECT i.oid FROM originals i)
UNION ALL
SELECT 'publication', format('%%s of %%s', p.pubname, o.relname)
FROM originals o
JOIN pg_catalog.pg_publication_rel l ON l.prrelid = o.oid
JOIN pg_catalog.pg_publication p ON p.oid = l.prpubid
UNION ALL
SELECT
    'grantee',
    g.role
FROM (
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS role
    FROM originals o
    CROSS JOIN LATERAL aclexplode(coalesce(o.relacl, acldefault('r', o.relowner))) a
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = a.grantee AND (r.rolsuper OR r.rolname = session_user))
) g
ORDER BY 1, 2;
