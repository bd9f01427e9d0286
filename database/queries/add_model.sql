-- Add a model to the registry, or change the one of that name.
INSERT INTO model_configurations (
    model_id, media_type, provider, configuration, supported_parameters, description, pricing_per_unit, is_free,
    estimated_time_seconds
) VALUES (
    %(model_id)s::text, %(media_type)s::text, %(provider)s::text, %(configuration)s::jsonb,
    %(supported_parameters)s::jsonb, %(description)s::text, %(pricing_per_unit)s::numeric, %(is_free)s::boolean,
    %(estimated_time_seconds)s::integer
)
ON CONFLICT (model_id) DO UPDATE SET
    media_type = excluded.media_type,
    provider = excluded.provider,
    configuration = excluded.configuration,
    supported_parameters = excluded.supported_parameters,
    description = excluded.description,
    pricing_per_unit = excluded.pricing_per_unit,
    is_free = excluded.is_free,
    estimated_time_seconds = excluded.estimated_time_seconds;
