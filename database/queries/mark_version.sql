-- Record that a migration counts as applied, whoever did it.
INSERT INTO public.schema_migrations (
    version, description, origin, sha256, meaning, applied_text, mode, state, applied_by, program_version
) VALUES (
    %(version)s::text, %(description)s::text, %(origin)s::text, %(sha256)s::text, %(meaning)s::text,
    %(applied_text)s::text, 'marked', 'applied', session_user, %(program_version)s::text
)
ON CONFLICT (version) DO UPDATE
SET applied_at = now(), origin = excluded.origin, sha256 = excluded.sha256, meaning = excluded.meaning,
    applied_text = excluded.applied_text, mode = 'marked', state = 'applied', applied_by = excluded.applied_by,
    program_version = excluded.program_version, error = NULL;
