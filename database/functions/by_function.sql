-- Whether the write under way comes from one of VSL's functions and not from a person. They say so in
-- a setting of their own (`SET vsl.writer`), which anybody can set, and run as the owner of the
-- private tables, which nobody can fake. One expression, so that the planner inlines it.
CREATE OR REPLACE FUNCTION vsl.by_function() RETURNS boolean
LANGUAGE sql STABLE SECURITY INVOKER
RETURN coalesce(pg_catalog.current_setting('vsl.writer', true) = 'function', false)
    AND pg_catalog.has_table_privilege('vsl.dispatch'::pg_catalog.regclass, 'INSERT');
COMMENT ON FUNCTION vsl.by_function() IS 'Whether the write under way comes from one of VSL''s functions.';
