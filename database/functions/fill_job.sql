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
    IF num_nulls(new.id, new.status, new.parameters, new.metadata, new.retry_count, new.created_at, new.updated_at) > 0
        OR new.status = 'completed'
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
    END IF;
    -- Nearly every row is a submission and sound. What this holds for, nothing below would refuse.
    IF (
        new.driven AND new.media_type = v_makes
        AND char_length(new.user_id) BETWEEN 1 AND 255 AND char_length(new.job_id) BETWEEN 1 AND 255
        AND new.user_id || new.job_id !~ '[[:cntrl:]]'
        AND (new.prompt IS NULL OR char_length(new.prompt) <= 100000)
        AND jsonb_typeof(new.parameters) = 'object' AND jsonb_typeof(new.metadata) = 'object'
        AND new.retry_count = 0 AND coalesce(new.estimated_time, 0) >= 0
        AND num_nonnulls(new.actual_cost, new.actual_processing_time, new.cancel_requested_at, new.completed_at) = 0
    ) IS NOT TRUE THEN
        IF new.driven AND (
            new.retry_count <> 0 OR num_nonnulls(new.actual_cost, new.actual_processing_time, new.cancel_requested_at) > 0
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS001',
                MESSAGE = 'retry_count, actual_cost, actual_processing_time and cancel_requested_at of a new job are kept by VSL',
                HINT = 'Leave them out.';
        END IF;
        PERFORM vsl.check_job(new);
        IF new.media_type <> v_makes THEN
            PERFORM vsl.check_model_of_job(new);
        END IF;
    END IF;
    RETURN new;
END
$$;
COMMENT ON FUNCTION vsl.fill_job() IS 'Completes and checks a new job from the registry, and decides whether VSL drives it.';

CREATE OR REPLACE TRIGGER fill_job BEFORE INSERT ON public.jobs
FOR EACH ROW EXECUTE FUNCTION vsl.fill_job();
