-- What PgBouncer needs to ask this database for the passwords' hashes, instead of keeping a copy of them in a file.
-- A superuser runs it once in each database that is served; running it again changes nothing. No password is set here.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbouncer_auth') THEN
        -- The login of PgBouncer itself, for this one question. Give it a password with \password pgbouncer_auth.
        CREATE ROLE pgbouncer_auth LOGIN NOINHERIT;
    END IF;
END;
$$;

CREATE SCHEMA IF NOT EXISTS pgbouncer;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer_auth;

-- The hash of one login's password. Superusers and replication are left out: they have no business behind a pooler,
-- and whoever gets hold of pgbouncer_auth shall not get theirs. So are logins whose password has expired, which
-- PgBouncer does not check by itself (CVE-2025-2291).
CREATE OR REPLACE FUNCTION pgbouncer.get_auth(p_login text)
RETURNS TABLE (username text, password text)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT rolname::text, rolpassword
    FROM pg_authid
    WHERE rolname = p_login
        AND rolcanlogin
        AND NOT rolsuper
        AND NOT rolreplication
        AND (rolvaliduntil IS NULL OR rolvaliduntil > now());
$$;

REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer_auth;

COMMIT;
