-- Say all about a migration that was applied; its description stays.
UPDATE public.schema_migrations
SET origin = %(origin)s::text, sha256 = %(sha256)s::text, meaning = %(meaning)s::text,
    applied_text = %(applied_text)s::text, mode = %(mode)s::text, state = 'applied',
    statements_done = %(statements)s::integer,
    duration_ms = coalesce(%(duration_ms)s::bigint, (extract(epoch FROM clock_timestamp() - now()) * 1000)::bigint),
    applied_by = session_user,
    program_version = %(program_version)s::text, error = NULL
WHERE version = %(version)s::text;
