-- Record what a provider said of an attempt.
SELECT vsl.record_prediction(
    %(attempt)s::uuid, %(provider_id)s::text, %(provider_status)s::text, %(output)s::jsonb, %(metrics)s::jsonb,
    %(processing_time)s::double precision, %(collectable)s::boolean, %(remembered)s::boolean,
    %(kept_seconds)s::double precision
);
