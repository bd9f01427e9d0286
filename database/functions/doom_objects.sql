-- Hands objects that a worker stored in vain to removal. One that a row refers to is left alone.
-- Removal waits a minute: a finish whose answer was lost may be committing at this moment.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.doom_objects(p_keys text[], p_bucket text, p_reason text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
    v_count integer;
BEGIN
    INSERT INTO vsl.doomed_objects (storage_key, bucket, reason, due_at)
    SELECT k.storage_key, p_bucket, p_reason, now() + interval '1 minute'
    FROM unnest(p_keys) AS k (storage_key)
    WHERE NOT EXISTS (SELECT FROM public.media_outputs o WHERE o.s3_key = k.storage_key);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION vsl.doom_objects(text[], text, text) IS 'Hands objects that a worker stored in vain to removal.';
