-- Forgets doomed objects that have been removed from the store.
CREATE OR REPLACE FUNCTION vsl.drop_doomed(p_ids bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM vsl.doomed_objects WHERE id = ANY (p_ids);
END;
COMMENT ON FUNCTION vsl.drop_doomed(bigint[]) IS 'Forgets doomed objects that have been removed.';
