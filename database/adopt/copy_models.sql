-- Copy the registry; whoever ran a model, from now on VSL does not.
INSERT INTO public.model_configurations (
    id, model_id, media_type, provider, replicate_version, replicate_owner, replicate_model, is_active, is_beta, configuration,
    supported_parameters, pricing_per_unit, estimated_time_seconds, description, tags, created_at, updated_at
)
SELECT
    coalesce(a.id, vsl.uuid7()), a.model_id, a.media_type, 'external', a.replicate_version, a.replicate_owner, a.replicate_model,
    a.is_active, a.is_beta, a.configuration, a.supported_parameters, a.pricing_per_unit, a.estimated_time_seconds, a.description,
    a.tags, a.created_at, a.updated_at
FROM adopted_models a
WHERE cardinality(a.refusals) = 0;
