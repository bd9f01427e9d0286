-- Up to p_limit doomed objects of a bucket for a worker to remove. Each comes up again in five
-- minutes unless drop_doomed is called for it. One that a row refers to again is forgotten.
CREATE OR REPLACE FUNCTION vsl.take_doomed(p_bucket text, p_limit integer)
RETURNS TABLE (id bigint, storage_key text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM vsl.doomed_objects d
    WHERE EXISTS (SELECT FROM public.media_outputs o WHERE o.s3_key = d.storage_key);
    RETURN QUERY
    -- Materialized: run again for each row of a join, the choice would take more than p_limit.
    WITH taken AS MATERIALIZED (
        SELECT t.id FROM vsl.doomed_objects t
        WHERE t.due_at <= now() AND (t.bucket = p_bucket OR t.bucket IS NULL)
        ORDER BY t.id
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE vsl.doomed_objects d SET due_at = now() + interval '5 minutes', tries = d.tries + 1
    FROM taken t
    WHERE d.id = t.id
    RETURNING d.id, d.storage_key;
END
$$;
COMMENT ON FUNCTION vsl.take_doomed(text, integer) IS 'Doomed objects for a worker to remove.';
