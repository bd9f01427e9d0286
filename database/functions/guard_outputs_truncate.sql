-- TRUNCATE does not say which rows it removes, so their objects could never be found again.
CREATE OR REPLACE FUNCTION vsl.guard_outputs_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM public.media_outputs) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS003',
            MESSAGE = 'media_outputs cannot be truncated: their objects would stay in the store unseen',
            HINT = 'Use DELETE.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vsl.guard_outputs_truncate() IS 'Refuses TRUNCATE of media_outputs while it has rows.';

CREATE OR REPLACE TRIGGER guard_outputs_truncate BEFORE TRUNCATE ON public.media_outputs
FOR EACH STATEMENT EXECUTE FUNCTION vsl.guard_outputs_truncate();
