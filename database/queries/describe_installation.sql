-- What decides whether and how a scratch installation can be made here: the server, the login and what it may do, and VSL's roles.
-- owner: whom most of VSL's tables and functions belong to. owner_taken: whether the login can act as that owner.
WITH installation AS (
    SELECT o.owner, pg_get_userbyid(o.owner) AS name
    FROM (
        SELECT c.relowner AS owner FROM pg_catalog.pg_class c WHERE c.relnamespace = to_regnamespace('vsl')
        UNION ALL
        SELECT p.proowner FROM pg_catalog.pg_proc p WHERE p.pronamespace = to_regnamespace('vsl')
    ) o
    GROUP BY o.owner
    ORDER BY count(*) DESC, o.owner
    LIMIT 1
)
SELECT
    current_database()::text AS database,
    current_setting('server_version') AS server_version,
    current_setting('server_version_num')::integer / 10000 AS major,
    session_user::text AS login,
    to_regnamespace('vsl') IS NOT NULL AS installed,
    (SELECT i.name::text FROM installation i) AS owner,
    coalesce(
        (
            SELECT pg_has_role(session_user, i.owner, CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
            FROM installation i
        ),
        false
    ) AS owner_taken,
    (
        (SELECT r.rolcreatedb OR r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)
        AND NOT pg_is_in_recovery()
    ) AS may_create,
    ARRAY(
        SELECT r.rolname::text
        FROM pg_catalog.pg_roles r
        WHERE r.rolname IN ('vsl_owner', 'vsl_migrator', 'vsl_app', 'vsl_worker', 'vsl_reader', 'vsl_monitor', 'vsl_backup')
        ORDER BY r.rolname
    ) AS roles;
