-- Whether the write under way comes from one of VSL's functions and not from a person. Those that
-- write to guarded tables run with a search_path that no other has (a setting of our own would do as
-- well, but only superusers may attach one to a function). Anybody can set it; so they must also run
-- as the owner of the private tables, which nobody can fake. True only where the path is still
-- theirs: ask in the WHEN of a trigger, not in its function. One expression, so that the planner
-- inlines it.
CREATE OR REPLACE FUNCTION vsl.by_function() RETURNS boolean
LANGUAGE sql STABLE SECURITY INVOKER
RETURN pg_catalog.current_setting('search_path') = 'pg_catalog, vsl, pg_temp'
    AND pg_catalog.has_table_privilege('vsl.dispatch'::pg_catalog.regclass, 'INSERT');
COMMENT ON FUNCTION vsl.by_function() IS 'Whether the write under way comes from one of VSL''s functions.';
