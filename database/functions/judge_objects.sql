-- What the database knows of objects in a bucket: whether a row refers to each, whether it is to be
-- removed already, whether the claim in its key is of a live job, and whether that claim is one that
-- this database has made at all. p_epochs: the claim in each key, or a negative number.
CREATE OR REPLACE FUNCTION vsl.judge_objects(p_keys text[], p_epochs bigint[], p_bucket text)
RETURNS TABLE (storage_key text, is_recorded boolean, is_doomed boolean, is_live boolean, is_unknown boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
    SELECT
        k.storage_key,
        EXISTS (SELECT FROM public.media_outputs o WHERE o.s3_key = k.storage_key),
        k.storage_key IN (SELECT d.storage_key FROM vsl.doomed_objects d WHERE d.bucket = p_bucket OR d.bucket IS NULL),
        k.epoch > 0 AND k.epoch IN (SELECT d.epoch FROM vsl.dispatch d),
        k.epoch > (SELECT s.last_value FROM vsl.epoch_seq s)
    FROM unnest(p_keys, p_epochs) AS k (storage_key, epoch);
END;
COMMENT ON FUNCTION vsl.judge_objects(text[], bigint[], text) IS 'What the database knows of objects in a bucket.';
