-- Who ran each model, in the words of the original registry.
SELECT a.model_id, a.original_provider
FROM adopted_models a
WHERE cardinality(a.refusals) = 0
ORDER BY a.model_id;
