-- One model of the registry.
SELECT
    model_id, media_type, provider, is_active, is_beta, is_free, pricing_per_unit, estimated_time_seconds,
    description, tags, configuration, supported_parameters, coalesce(lane, provider) AS lane, timeout_seconds
FROM model_configurations
WHERE model_id = %(model_id)s::text;
