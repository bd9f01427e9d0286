-- The price of one job of a model, in US dollars. Refuses a model that is switched off or has no price.
CREATE OR REPLACE FUNCTION vsl.price_of_job(p_model_id text, p_is_active boolean, p_is_free boolean, p_price numeric)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF NOT p_is_active THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('model %L is switched off', p_model_id),
            HINT = 'Set is_active in model_configurations, or choose another model.',
            SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = 'jobs_model_active';
    ELSIF p_is_free THEN
        RETURN 0;
    ELSIF coalesce(p_price, 0) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('model %L has no price', p_model_id),
            HINT = 'Set pricing_per_unit in model_configurations, or is_free if it costs nothing.',
            SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = 'jobs_model_priced';
    END IF;
    RETURN p_price;
END
$$;
COMMENT ON FUNCTION vsl.price_of_job(text, boolean, boolean, numeric) IS 'The price of one job of a model.';
