-- The average width in bytes and the share of NULLs of each column of VSL's tables and indexes, as the
-- last analyze found them; never a value. With it a login that may not read the tables can estimate how
-- much of them is empty: pg_stats shows it no row.
CREATE OR REPLACE FUNCTION vsl.column_widths()
RETURNS TABLE (schema_name text, relation_name text, column_name text, avg_width integer, null_share double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.schemaname::text, s.tablename::text, s.attname::text, s.avg_width, s.null_frac::double precision
    FROM pg_stats s
    WHERE s.schemaname IN ('public', 'vsl') AND NOT s.inherited;
END;
COMMENT ON FUNCTION vsl.column_widths() IS 'Average width and share of NULLs of each column of VSL''s tables.';
