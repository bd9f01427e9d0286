-- Commit the intent to submit.
SELECT id, result, attempt_id, number FROM vsl.begin_attempts(%(jobs)s::uuid[], %(epochs)s::bigint[]);
