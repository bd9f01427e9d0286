-- Logins of the application and the workers with powers that they do not need: as a superuser, as the owner
-- of VSL's tables or past row security, one stolen password is the whole database.
WITH RECURSIVE members (role, part) AS (
    SELECT r.oid, r.rolname::text
    FROM pg_roles r
    WHERE r.rolname IN ('vsl_app', 'vsl_worker')
    UNION
    SELECT a.member, m.part
    FROM members m
    JOIN pg_auth_members a ON a.roleid = m.role
    -- Since PostgreSQL 16 who makes a role becomes a member that may only give it to others.
    WHERE coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true) OR coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)
),
owner AS (
    SELECT c.relowner AS role FROM pg_class c WHERE c.oid = to_regclass('vsl.dispatch')
),
powers AS (
    SELECT
        r.rolname::text AS name,
        string_agg(DISTINCT m.part, ' and ' ORDER BY m.part) AS parts,
        concat_ws(
            ', ',
            CASE WHEN r.rolsuper THEN 'is a superuser' END,
            CASE WHEN NOT r.rolsuper AND r.rolbypassrls THEN 'passes row security (BYPASSRLS)' END,
            CASE WHEN NOT r.rolsuper AND pg_has_role(r.oid, o.role, 'MEMBER') THEN 'owns VSL''s tables' END,
            CASE WHEN NOT r.rolsuper AND pg_has_role(r.oid, p.oid, 'MEMBER') THEN format('is a member of %s', p.rolname) END
        ) AS powers
    FROM members m
    JOIN pg_roles r ON r.oid = m.role
    LEFT JOIN owner o ON true
    -- What a superuser of RDS is.
    LEFT JOIN pg_roles p ON p.rolname = 'rds_superuser'
    GROUP BY r.oid, r.rolname, r.rolsuper, r.rolbypassrls, o.role, p.oid, p.rolname
)
SELECT
    p.name AS subject,
    NULL::float8 AS value,
    'fail' AS level,
    format('%s, which works as %s, %s', p.name, p.parts, p.powers) AS evidence,
    'Give the application and the workers logins of their own, such as: CREATE ROLE web LOGIN PASSWORD ''…''; GRANT vsl_app TO web;' AS next,
    NULL::text AS unknown
FROM powers p
WHERE p.powers <> ''
UNION ALL
-- A worker that is logged in as somebody else: on a laptop that is usual.
SELECT
    a.usename::text,
    NULL,
    'note',
    format('%s sessions of `vsl worker` are logged in as %s, a superuser', count(*), a.usename),
    format('CREATE ROLE worker LOGIN PASSWORD ''…''; GRANT vsl_worker TO worker;'),
    NULL
FROM pg_stat_activity a
JOIN pg_roles r ON r.oid = a.usesysid AND r.rolsuper
WHERE a.datname = current_database() AND a.application_name LIKE 'vsl worker%'
GROUP BY a.usename;
