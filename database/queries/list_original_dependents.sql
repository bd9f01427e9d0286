-- What depends on the original tables and is not one of them: foreign keys and views, with the statements that take them away and make
-- them again; and what adoption cannot carry over, with the reason (obstacle). depth: how far from the tables. Run it with a
-- search_path that names no schema of users, so that PostgreSQL prints qualified names.
WITH RECURSIVE originals AS (
    SELECT c.oid, c.relname, c.reltype, c.relkind
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('public')
        AND c.relname IN (
            'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
            'v_recent_jobs_with_outputs', 'v_user_statistics'
        )
),
-- Relations whose definition depends on an original, also through others.
views (oid, depth) AS (
    SELECT o.oid, 0 FROM originals o
    UNION
    SELECT w.ev_class, v.depth + 1
    FROM views v
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = v.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> v.oid
    WHERE v.depth < 100
),
reached AS (
    SELECT v.oid, max(v.depth) AS depth FROM views v GROUP BY v.oid
),
-- Columns of originals that VSL's tables have not.
lost AS (
    SELECT w.ev_class AS oid, string_agg(DISTINCT format('%%s.%%s', o.relname, a.attname), ', ') AS columns
    FROM originals o
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = o.oid AND d.refobjsubid > 0 AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> o.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid
    WHERE NOT EXISTS (
        SELECT FROM jsonb_each(%(columns)s::jsonb) t
        WHERE t.key = o.relname AND t.value ? a.attname
    )
    GROUP BY w.ev_class
)
SELECT
    'foreign key' AS kind,
    format('%%s on %%s', quote_ident(c.conname), c.conrelid::regclass) AS name,
    0 AS depth,
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname) AS taken,
    ARRAY[format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))] AS made,
    CASE
        WHEN NOT pg_has_role(t.relowner, 'USAGE') THEN format('it belongs to %%s', pg_get_userbyid(t.relowner))
        WHEN NOT EXISTS (
            -- The keys that VSL's tables have.
            SELECT FROM (VALUES
                ('jobs', 'id'), ('jobs', 'job_id'), ('media_outputs', 'id'), ('model_configurations', 'id'), ('model_configurations', 'model_id'),
                ('usage_tracking', 'id'), ('user_preferences', 'user_id'), ('schema_migrations', 'version')
            ) AS k (relname, attname)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = o.oid AND a.attname = k.attname
            WHERE k.relname = o.relname AND c.confkey = ARRAY[a.attnum]
        ) THEN 'it refers to columns that are no key of VSL''s'
    END AS obstacle
FROM originals o
JOIN pg_catalog.pg_constraint c ON c.confrelid = o.oid AND c.contype = 'f' AND c.conparentid = 0
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
WHERE c.conrelid NOT IN (SELECT i.oid FROM originals i)
UNION ALL
SELECT
    CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END,
    v.oid::regclass::text,
    r.depth,
    format('DROP VIEW %%s', v.oid::regclass),
    array_remove(
        ARRAY[
            format(
                'CREATE VIEW %%s%%s AS %%s', v.oid::regclass,
                ' WITH (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid)
            ),
            format('ALTER VIEW %%s OWNER TO %%I', v.oid::regclass, pg_get_userbyid(v.relowner)),
            format('COMMENT ON VIEW %%s IS ', v.oid::regclass) || quote_literal(obj_description(v.oid, 'pg_class'))
        ]
        || ARRAY(
            SELECT format(
                'GRANT %%s ON %%s TO %%s%%s', g.privilege_type, v.oid::regclass,
                CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END
            )
            FROM aclexplode(v.relacl) g
            WHERE g.grantee <> v.relowner
        ),
        NULL
    ),
    CASE
        WHEN v.relkind = 'm' THEN 'a materialized view is made again by hand'
        WHEN v.relkind <> 'v' THEN 'a rule of a table is made again by hand'
        WHEN NOT pg_has_role(v.relowner, 'USAGE') THEN format('it belongs to %%s', pg_get_userbyid(v.relowner))
        WHEN l.columns IS NOT NULL THEN format('it reads columns that VSL has not: %%s', l.columns)
        WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = v.oid AND NOT g.tgisinternal) THEN 'it has triggers'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = v.oid AND w.rulename <> '_RETURN') THEN 'it has rules'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = v.oid AND (a.attacl IS NOT NULL OR a.atthasdef)) THEN 'its columns have grants or defaults of their own'
        WHEN EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = v.oid AND d.objsubid > 0) THEN 'its columns have comments'
    END
FROM reached r
JOIN pg_catalog.pg_class v ON v.oid = r.oid
LEFT JOIN lost l ON l.oid = v.oid
WHERE r.depth > 0 AND v.oid NOT IN (SELECT o.oid FROM originals o)
UNION ALL
-- Functions with a parsed body, types, policies and the like that name an original or such a view, or its row.
SELECT DISTINCT
    'other', pg_describe_object(d.classid, d.objid, 0), 0, NULL, NULL::text[],
    format('it depends on %%s', pg_describe_object(d.refclassid, d.refobjid, 0))
FROM reached r
JOIN pg_catalog.pg_class c ON c.oid = r.oid
LEFT JOIN pg_catalog.pg_type y ON y.oid = c.reltype
JOIN pg_catalog.pg_depend d ON (
    d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
    OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray)
)
WHERE d.deptype IN ('n', 'a')
    AND (
        d.classid = 'pg_catalog.pg_proc'::regclass
        OR d.classid = 'pg_catalog.pg_policy'::regclass AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.oid = d.objid AND p.polrelid IN (SELECT o.oid FROM originals o))
        OR d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass
        OR d.classid = 'pg_catalog.pg_class'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = d.objid AND i.inhparent = c.oid)
        OR d.classid = 'pg_catalog.pg_type'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass AND d.objid NOT IN (y.oid, y.typarray)
    )
ORDER BY 3, 1, 2;
