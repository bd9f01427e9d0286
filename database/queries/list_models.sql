-- All models of the registry, by name.
SELECT
    model_id, media_type, provider, is_active, is_beta, is_free, pricing_per_unit, estimated_time_seconds,
    description, tags, configuration, supported_parameters, coalesce(lane, provider) AS lane, timeout_seconds
FROM model_configurations
ORDER BY model_id;
