-- Seven roles with the least that each needs. They are groups without login: grant them to the
-- login roles of people and services, such as GRANT vsl_app TO web.
--
--   vsl_owner      owns everything; SECURITY DEFINER functions run as it
--   vsl_migrator   changes the schema, as a member of vsl_owner
--   vsl_app        submits, reads, cancels and retries jobs; keeps tracked jobs and preferences
--   vsl_worker     drives jobs, through functions only
--   vsl_reader     reads the contract's tables and views, and how jobs were attempted
--   vsl_monitor    reads numbers, never prompts
--   vsl_backup     reads everything
--
-- Roles belong to the whole server and may exist already, or may not be ours to make; what could
-- not be done is said in a warning, and the rest goes on. Safe to run again.
DO $$
DECLARE
    v_role text;
    v_missing text[] := '{}';
BEGIN
    FOREACH v_role IN ARRAY ARRAY[
        'vsl_owner', 'vsl_migrator', 'vsl_app', 'vsl_worker', 'vsl_reader', 'vsl_monitor', 'vsl_backup'
    ] LOOP
        CONTINUE WHEN to_regrole(v_role) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- Another installer made it at this moment.
            WHEN insufficient_privilege THEN
                v_missing := v_missing || v_role;
        END;
    END LOOP;
    IF v_missing <> '{}' THEN
        RAISE WARNING 'VSL: % may not create roles, so these and their grants were skipped: %',
            current_user, array_to_string(v_missing, ', ')
            USING HINT = 'Have a superuser create them, then run database/roles.sql again.';
    END IF;
END
$$;

-- Memberships.
DO $$
DECLARE
    v_grant record;
BEGIN
    FOR v_grant IN
        SELECT * FROM (VALUES ('vsl_owner', 'vsl_migrator'), ('pg_monitor', 'vsl_monitor')) AS g (granted, member)
        WHERE to_regrole(granted) IS NOT NULL AND to_regrole(member) IS NOT NULL
            AND NOT pg_has_role(member, granted, 'MEMBER')
    LOOP
        BEGIN
            EXECUTE format('GRANT %I TO %I', v_grant.granted, v_grant.member);
        EXCEPTION
            WHEN unique_violation OR internal_error THEN
                NULL; -- Another installer did it at this moment ("tuple concurrently updated").
            WHEN insufficient_privilege THEN
                RAISE WARNING 'VSL: % may not grant % to %, so that was skipped', current_user, v_grant.granted, v_grant.member
                    USING HINT = format('Have a superuser run: GRANT %I TO %I;', v_grant.granted, v_grant.member);
        END;
    END LOOP;
END
$$;

-- Nothing for everybody: functions are executable by PUBLIC unless that is taken back.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vsl FROM PUBLIC;

DO $$
DECLARE
    v_contract CONSTANT text := 'public.jobs, public.media_outputs, public.model_configurations, public.usage_tracking, '
        'public.schema_migrations, public.user_preferences, public.v_recent_jobs_with_outputs, public.v_user_statistics';
    v_grant record;
BEGIN
    FOR v_grant IN
        SELECT * FROM (VALUES
            ('vsl_owner', 'USAGE, CREATE', 'SCHEMA public'),
            ('vsl_app', 'USAGE', 'SCHEMA vsl'),
            -- Which texts the database has: a program checks that they are its own before it works.
            ('vsl_app', 'SELECT', 'TABLE vsl.repeatables'),
            ('vsl_worker', 'SELECT', 'TABLE vsl.repeatables'),
            ('vsl_app', 'SELECT', 'TABLE ' || v_contract),
            ('vsl_app', 'INSERT, UPDATE, DELETE', 'TABLE public.jobs, public.media_outputs, public.user_preferences'),
            ('vsl_app', 'INSERT', 'TABLE public.usage_tracking'),
            ('vsl_app', 'EXECUTE', 'FUNCTION vsl.uuid7(), vsl.by_function(), vsl.check_job(public.jobs), '
                'vsl.check_move(text, text, text), vsl.check_model_of_job(public.jobs), '
                'vsl.submit_job(text, text, text, jsonb, jsonb, text, boolean), vsl.cancel_job(text), vsl.retry_job(text), '
                'vsl.resolve_job(text, text, text), '
                'vsl.list_attempts(text)'),
            ('vsl_worker', 'USAGE', 'SCHEMA vsl'),
            ('vsl_worker', 'SELECT', 'TABLE public.schema_migrations, public.model_configurations'),
            ('vsl_worker', 'EXECUTE', 'FUNCTION vsl.claim_jobs(text, text[], integer, double precision), '
                'vsl.begin_attempts(uuid[], bigint[]), '
                'vsl.record_prediction(uuid, text, text, jsonb, jsonb, double precision, boolean, boolean, double precision), '
                'vsl.finish_jobs(jsonb), '
                'vsl.fail_job(uuid, bigint, uuid, text, text, boolean, double precision), '
                'vsl.extend_leases(uuid[], bigint[], double precision), vsl.hand_back_jobs(uuid[], bigint[]), '
                'vsl.release_jobs(uuid[], bigint[], double precision[]), vsl.free_predictions(uuid, text[]), '
                'vsl.defer_job(uuid, bigint, double precision, text, text, boolean, boolean), '
                'vsl.rescue_jobs(integer), vsl.next_due(text[]), '
                'vsl.doom_objects(text[], text, text), vsl.take_doomed(text, integer), vsl.drop_doomed(bigint[]), '
                'vsl.list_stored(text, uuid, integer), vsl.judge_objects(text[], bigint[], text), '
                'vsl.name_outputs(uuid[]), vsl.mark_outputs(uuid[], text)'),
            ('vsl_reader', 'USAGE', 'SCHEMA vsl'),
            ('vsl_reader', 'SELECT', 'TABLE vsl.repeatables, ' || v_contract),
            ('vsl_reader', 'EXECUTE', 'FUNCTION vsl.list_attempts(text)'),
            ('vsl_monitor', 'USAGE', 'SCHEMA vsl'),
            ('vsl_monitor', 'SELECT', 'TABLE public.model_configurations, public.usage_tracking, public.schema_migrations, '
                'vsl.dispatch, vsl.ledger_entries, vsl.doomed_objects, vsl.repeatables'),
            ('vsl_monitor', 'SELECT (id, job_id, media_type, model_id, status, user_id, created_at, updated_at, completed_at, '
                'estimated_time, estimated_cost, actual_processing_time, retry_count, actual_cost, error_code, '
                'cancel_requested_at, driven)', 'TABLE public.jobs'),
            ('vsl_monitor', 'SELECT (id, job_id, attempt_id, media_type, file_type, file_size, ordinal, created_at)', 'TABLE public.media_outputs'),
            ('vsl_monitor', 'SELECT (id, job_id, run, number, provider, model_id, epoch, started_at, ended_at, outcome, '
                'provider_status, processing_time, cost, error_code, outputs_expire_at)', 'TABLE vsl.attempts'),
            ('vsl_monitor', 'SELECT', 'TABLE vsl.health_snapshots, vsl.audit_entries'),
            ('vsl_monitor', 'SELECT', 'ALL SEQUENCES IN SCHEMA vsl'),
            ('vsl_monitor', 'EXECUTE', 'FUNCTION vsl.record_act(text, text, jsonb), vsl.measure_health(), '
                'vsl.measure_statements(), vsl.take_snapshot(jsonb), vsl.health_window(), vsl.column_widths()'),
            ('vsl_backup', 'USAGE', 'SCHEMA vsl'),
            ('vsl_backup', 'SELECT', 'TABLE ' || v_contract),
            ('vsl_backup', 'SELECT', 'ALL TABLES IN SCHEMA vsl'),
            ('vsl_backup', 'SELECT', 'ALL SEQUENCES IN SCHEMA vsl')
        ) AS g (grantee, privileges, object)
        WHERE to_regrole(grantee) IS NOT NULL
    LOOP
        -- Schema public is not ours to grant on for everybody who runs this, and need not be.
        CONTINUE WHEN v_grant.object = 'SCHEMA public' AND has_schema_privilege(v_grant.grantee, 'public', 'CREATE');
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', v_grant.privileges, v_grant.object, v_grant.grantee);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'VSL: % may not grant % on % to %, so that was skipped',
                current_user, v_grant.privileges, v_grant.object, v_grant.grantee;
        END;
    END LOOP;
END
$$;

-- A superuser who installs gives everything to vsl_owner: functions that run with their owner's
-- rights must not run with a superuser's. From then on so does a migrator with what it adds.
DO $$
DECLARE
    v_object record;
BEGIN
    IF to_regrole('vsl_owner') IS NULL THEN
        RETURN;
    ELSIF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_namespace n
            WHERE n.nspname = 'vsl' AND n.nspowner = to_regrole('vsl_owner') AND pg_has_role(n.nspowner, 'USAGE')
        )
    THEN
        RETURN;
    END IF;
    ALTER SCHEMA vsl OWNER TO vsl_owner;
    FOR v_object IN
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, c.oid::regclass AS name
        FROM pg_catalog.pg_class c
        WHERE (
                c.relnamespace = 'vsl'::regnamespace
                OR c.relnamespace = 'public'::regnamespace AND c.relname IN (
                    'jobs', 'media_outputs', 'model_configurations', 'usage_tracking', 'schema_migrations', 'user_preferences',
                    'v_recent_jobs_with_outputs', 'v_user_statistics'
                )
            )
            AND c.relkind IN ('r', 'p', 'v', 'S')
            AND c.relowner <> 'vsl_owner'::regrole AND pg_has_role(c.relowner, 'USAGE')
            -- Sequences of columns go with their tables.
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
        ORDER BY c.oid
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO vsl_owner', v_object.kind, v_object.name);
    END LOOP;
    FOR v_object IN
        SELECT p.oid::regprocedure AS name
        FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'vsl'::regnamespace AND p.proowner <> 'vsl_owner'::regrole AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO vsl_owner', v_object.name);
    END LOOP;
END
$$;
