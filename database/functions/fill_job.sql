-- Completes and checks a new job from the registry, and decides whether VSL drives it.
-- Few and large expressions on purpose: PL/pgSQL prepares each one anew in every transaction, and
-- this runs in the transaction of every submission.
CREATE OR REPLACE FUNCTION vsl.fill_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_makes text;
    v_price numeric;
    v_is_active boolean;
    v_is_free boolean;
BEGIN
    IF new.id IS NULL OR new.status IS NULL OR new.parameters IS NULL OR new.metadata IS NULL
        OR new.retry_count IS NULL OR new.created_at IS NULL OR new.updated_at IS NULL OR new.status = 'completed'
    THEN
        new.id := coalesce(new.id, vsl.uuid7());
        new.status := coalesce(new.status, 'pending');
        new.parameters := coalesce(new.parameters, '{}');
        new.metadata := coalesce(new.metadata, '{}');
        new.retry_count := coalesce(new.retry_count, 0);
        new.created_at := coalesce(new.created_at, now());
        new.updated_at := coalesce(new.updated_at, now());
        new.completed_at := CASE WHEN new.status = 'completed' THEN coalesce(new.completed_at, now()) ELSE new.completed_at END;
    END IF;

    SELECT
        coalesce(new.job_id, 'job_' || replace(new.id::text, '-', '')),
        coalesce(new.media_type, m.media_type),
        coalesce(new.estimated_time, m.estimated_time_seconds),
        m.provider <> 'external' AND new.status = 'pending' AND new.replicate_id IS NULL,
        m.media_type, m.pricing_per_unit, m.is_active, m.is_free
    INTO new.job_id, new.media_type, new.estimated_time, new.driven, v_makes, v_price, v_is_active, v_is_free
    FROM public.model_configurations m
    WHERE m.model_id = new.model_id;
    IF NOT FOUND THEN
        PERFORM vsl.check_model_of_job(new);
    END IF;

    IF new.driven THEN
        new.estimated_cost := vsl.price_of_job(new.model_id, v_is_active, v_is_free, v_price);
        IF new.retry_count <> 0 OR coalesce(new.actual_cost, new.actual_processing_time) IS NOT NULL
            OR new.cancel_requested_at IS NOT NULL
        THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS001',
                MESSAGE = 'retry_count, actual_cost, actual_processing_time and cancel_requested_at of a new job are kept by VSL',
                HINT = 'Leave them out.';
        END IF;
    END IF;
    PERFORM vsl.check_job(new);
    IF new.media_type <> v_makes THEN
        PERFORM vsl.check_model_of_job(new);
    END IF;
    RETURN new;
END
$$;
COMMENT ON FUNCTION vsl.fill_job() IS 'Completes and checks a new job from the registry, and decides whether VSL drives it.';

CREATE OR REPLACE TRIGGER fill_job BEFORE INSERT ON public.jobs
FOR EACH ROW EXECUTE FUNCTION vsl.fill_job();
