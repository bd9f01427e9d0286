-- Record that the statements of a migration are being sent one by one, or that this goes on.
INSERT INTO public.schema_migrations AS m (
    version, description, origin, sha256, meaning, applied_text, mode, state, statements_done, duration_ms,
    applied_by, program_version
) VALUES (
    %(version)s::text, %(description)s::text, %(origin)s::text, %(sha256)s::text, %(meaning)s::text,
    %(applied_text)s::text, 'statements', 'running', 0, 0, session_user, %(program_version)s::text
)
ON CONFLICT (version) DO UPDATE
SET origin = excluded.origin, sha256 = excluded.sha256, meaning = excluded.meaning,
    applied_text = excluded.applied_text, mode = excluded.mode, state = 'running',
    applied_by = excluded.applied_by, program_version = excluded.program_version, error = NULL;
