-- Refuses a row of jobs whose model is not in the registry, or makes another kind of media.
CREATE OR REPLACE FUNCTION vsl.check_model_of_job(p_job public.jobs) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_makes text;
BEGIN
    SELECT m.media_type INTO v_makes FROM public.model_configurations m WHERE m.model_id = p_job.model_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('model %s is not in the registry', coalesce(quote_literal(left(p_job.model_id, 255)), 'NULL')),
            HINT = 'See SELECT model_id FROM model_configurations, or add a row there.',
            SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = 'jobs_model_id_known';
    ELSIF p_job.media_type <> v_makes THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('media_type is %s, but model %L makes %s', p_job.media_type, p_job.model_id, v_makes),
            SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = 'jobs_media_type_of_model';
    END IF;
END
$$;
COMMENT ON FUNCTION vsl.check_model_of_job(public.jobs) IS 'Refuses a job whose model is unknown or makes another kind of media.';
