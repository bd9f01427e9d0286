-- Which of these predictions at the provider of an attempt belong to no other attempt.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.free_predictions(p_attempt uuid, p_provider_ids text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
BEGIN ATOMIC
    SELECT found.provider_id
    FROM vsl.attempts a
    CROSS JOIN LATERAL (SELECT DISTINCT u.provider_id FROM unnest(p_provider_ids) AS u (provider_id)) found
    WHERE a.id = p_attempt AND NOT EXISTS (
        SELECT FROM vsl.predictions p
        WHERE p.provider = a.provider AND p.provider_id = found.provider_id AND p.attempt_id <> p_attempt
    );
END;
COMMENT ON FUNCTION vsl.free_predictions(uuid, text[]) IS 'Which of these predictions belong to no other attempt.';
