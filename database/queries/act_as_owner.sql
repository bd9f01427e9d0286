-- Act as vsl_owner for this transaction, so that what it makes belongs to the owner: when VSL's schema is
-- that role's, and the login is not it, but may act as it. A superuser stays himself: roles.sql gives away
-- what he makes. Answers 1 when the role was taken.
SELECT count(pg_catalog.set_config('role', 'vsl_owner', true))
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_roles owner ON owner.oid = n.nspowner
JOIN pg_catalog.pg_roles login ON login.rolname = current_user
WHERE n.nspname = 'vsl' AND owner.rolname = 'vsl_owner' AND login.oid <> owner.oid AND NOT login.rolsuper
    -- From 16 on, membership alone does not allow it.
    AND pg_catalog.pg_has_role(
        owner.oid,
        CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END
    );
