-- Which of these predictions belong to no other attempt.
SELECT * FROM vsl.free_predictions(%(attempt)s::uuid, %(provider_ids)s::text[]);
