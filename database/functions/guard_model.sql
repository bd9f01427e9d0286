-- Keeps updated_at of the registry, and refuses to remove or rename a model that live jobs need.
CREATE OR REPLACE FUNCTION vsl.guard_model() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tg_op = 'TRUNCATE' THEN
        IF EXISTS (SELECT FROM vsl.dispatch) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS003',
                MESSAGE = 'model_configurations cannot be truncated while driven jobs are live',
                HINT = 'Set is_active to false, and remove models when their jobs have ended.';
        END IF;
        RETURN NULL;
    END IF;
    IF tg_op = 'UPDATE' AND new.model_id = old.model_id THEN
        new.updated_at := now();
        RETURN new;
    END IF;
    IF EXISTS (
        SELECT FROM vsl.dispatch d
        JOIN public.jobs j ON j.id = d.job_id
        WHERE j.model_id = old.model_id
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS003',
            MESSAGE = format('model %L has live jobs and cannot be removed or renamed', old.model_id),
            HINT = 'Set is_active to false, and remove it when its jobs have ended.';
    END IF;
    IF tg_op = 'DELETE' THEN
        RETURN old;
    END IF;
    new.updated_at := now();
    RETURN new;
END
$$;
COMMENT ON FUNCTION vsl.guard_model() IS 'Keeps updated_at of the registry, and models that live jobs need.';

CREATE OR REPLACE TRIGGER guard_model BEFORE UPDATE OR DELETE ON public.model_configurations
FOR EACH ROW EXECUTE FUNCTION vsl.guard_model();

CREATE OR REPLACE TRIGGER guard_models_truncate BEFORE TRUNCATE ON public.model_configurations
FOR EACH STATEMENT EXECUTE FUNCTION vsl.guard_model();
