-- How far attempts under way are past their model's timeout, in seconds, by model.
-- A worker stops an attempt at its timeout, so one that goes on has a worker that hangs, or none.
SELECT
    format('model %s', s.model_id) AS subject,
    max(s.beyond)::float8 AS value,
    NULL::text AS level,
    format(
        '%s %s longer than the %s s that the model allows; the longest is job %s, %s',
        count(*), CASE WHEN count(*) = 1 THEN 'attempt takes' ELSE 'attempts take' END, min(s.allowed),
        (array_agg(s.public_id ORDER BY s.beyond DESC))[1],
        (array_agg(coalesce('held by ' || s.worker, 'held by nobody') ORDER BY s.beyond DESC))[1]
    ) AS evidence,
    format('vsl jobs show %s', (array_agg(s.public_id ORDER BY s.beyond DESC))[1]) AS next,
    NULL::text AS unknown
FROM (
    SELECT a.model_id, d.worker, j.job_id AS public_id, coalesce(m.timeout_seconds, 900) AS allowed,
        extract(epoch FROM clock_timestamp() - a.started_at) - coalesce(m.timeout_seconds, 900) AS beyond
    FROM vsl.dispatch d
    JOIN vsl.attempts a ON a.id = d.attempt_id
    JOIN public.jobs j ON j.id = d.job_id
    LEFT JOIN public.model_configurations m ON m.model_id = a.model_id
) s
WHERE s.beyond > 0
GROUP BY s.model_id;
