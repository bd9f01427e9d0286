-- Settings as they are in force for this session, and where each comes from; those that this role may not see are missing.
SELECT
    s.name,
    s.setting,
    s.unit,
    s.vartype AS type,
    s.context,
    s.source,
    s.sourcefile AS file,
    s.max_val AS most,
    s.enumvals AS words,
    s.pending_restart
FROM pg_settings s
WHERE s.name = ANY (%(names)s::text[])
ORDER BY s.name;
