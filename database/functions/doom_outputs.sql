-- Hands the objects of deleted outputs to the worker, which removes them from the store.
CREATE OR REPLACE FUNCTION vsl.doom_outputs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO vsl.doomed_objects (storage_key, bucket, reason)
    SELECT o.s3_key, o.s3_bucket, 'its output was deleted'
    FROM deleted_outputs o
    WHERE o.s3_key IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vsl.doom_outputs() IS 'Hands the objects of deleted outputs to the worker for removal.';

CREATE OR REPLACE TRIGGER doom_outputs AFTER DELETE ON public.media_outputs
REFERENCING OLD TABLE AS deleted_outputs
FOR EACH STATEMENT EXECUTE FUNCTION vsl.doom_outputs();
