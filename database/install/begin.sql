\set ON_ERROR_STOP on
\set QUIET on

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = public;
SET LOCAL statement_timeout = 0;

-- One installer or runner of migrations at a time in a database. Not by waiting: whoever waits inside a lock function
-- holds a snapshot, for which the other's concurrent index builds wait.
DO $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('vsl'), hashtext('migrate')) THEN
        RAISE EXCEPTION 'another installer, or "vsl db migrate", is at work in database %; nothing was changed', current_database()
            USING HINT = 'Run this again once it has ended.';
    END IF;
END
$$;

DO $$
DECLARE
    v_versions text;
    v_tables text;
BEGIN
    IF current_setting('server_version_num')::integer < 140000 THEN
        RAISE EXCEPTION 'VSL needs PostgreSQL 14 or newer; this server is %', current_setting('server_version');
    END IF;
    IF to_regnamespace('vsl') IS NOT NULL THEN
        IF to_regclass('public.schema_migrations') IS NOT NULL THEN
            SELECT string_agg(version, ', ' ORDER BY version) INTO v_versions FROM public.schema_migrations;
        END IF;
        RAISE EXCEPTION 'VSL is already installed in database % (versions %); nothing was changed',
            current_database(), coalesce(v_versions, 'not recorded')
            USING HINT = 'Run "vsl db migrate" to bring it up to date, or choose an empty database.';
    END IF;
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) INTO v_tables
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('public')
        AND c.relname IN (
            'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
            'v_recent_jobs_with_outputs', 'v_user_statistics'
        );
    IF v_tables IS NOT NULL THEN
        RAISE EXCEPTION 'database % already has relations that VSL would create in schema public: %; nothing was changed',
            current_database(), v_tables
            USING HINT = 'Install into a database without them.';
    END IF;
END
$$;
