-- A page of the rows that refer to objects in a store, in the order of their keys, beginning after
-- a key and a row. For the comparison of rows with the store, which reads every page by itself: no
-- transaction stays open meanwhile. Ordered as the index is, which need not be by bytes.
CREATE OR REPLACE FUNCTION vsl.list_stored(p_after_key text, p_after_id uuid, p_limit integer)
RETURNS TABLE (id uuid, storage_key text, bucket text, file_size bigint, is_marked boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Its planner settings: see claim_jobs.
SET enable_seqscan = off
SET jit = off
BEGIN ATOMIC
    SELECT o.id, o.s3_key, o.s3_bucket, o.file_size, o.metadata ? 'missing_since' OR o.metadata ? 'damaged_since'
    FROM public.media_outputs o
    -- The first comparison is what the index on s3_key answers.
    WHERE o.s3_key >= p_after_key AND (o.s3_key, o.id) > (p_after_key, p_after_id)
    ORDER BY o.s3_key, o.id
    LIMIT p_limit;
END;
COMMENT ON FUNCTION vsl.list_stored(text, uuid, integer) IS 'A page of the rows that refer to objects, by key.';
