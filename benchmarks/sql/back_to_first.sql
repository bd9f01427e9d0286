-- Take away what the migrations after the first one made, so that they can be measured.
DO $$
BEGIN
    DROP TABLE public.user_preferences, vsl.health_snapshots, vsl.audit_entries, vsl.predictions CASCADE;
    ALTER TABLE vsl.attempts DROP COLUMN outputs_expire_at CASCADE;
    DROP FUNCTION IF EXISTS vsl.record_act(text, text, jsonb);
    DROP FUNCTION IF EXISTS vsl.take_snapshot();
    ALTER TABLE public.schema_migrations
        DROP COLUMN origin, DROP COLUMN sha256, DROP COLUMN meaning, DROP COLUMN applied_text, DROP COLUMN mode,
        DROP COLUMN state, DROP COLUMN statements_done, DROP COLUMN duration_ms, DROP COLUMN applied_by,
        DROP COLUMN program_version, DROP COLUMN error;
    DELETE FROM public.schema_migrations WHERE version <> '1.0.0';
    DELETE FROM vsl.repeatables;
END
$$;
