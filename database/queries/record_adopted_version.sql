-- Record a version of the schema that came by adoption. applied_at: now when the original ledger does not know it.
INSERT INTO public.schema_migrations (
    version, description, applied_at, origin, sha256, meaning, applied_text, mode, state, applied_by, program_version
) VALUES (
    %(version)s::text, %(description)s::text, coalesce(%(applied_at)s::timestamptz, now()), %(origin)s::text, %(sha256)s::text,
    %(meaning)s::text, %(applied_text)s::text, 'adopted', 'applied', session_user, %(program_version)s::text
);
