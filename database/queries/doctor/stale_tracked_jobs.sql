-- How long ago the oldest unfinished job that somebody else's code runs was last changed, in seconds, by model.
SELECT
    format('model %s', t.model_id) AS subject,
    extract(epoch FROM clock_timestamp() - min(t.updated_at))::float8 AS value,
    NULL::text AS level,
    format(
        '%s %s unfinished and unchanged for longer than the %s s that the model allows',
        count(*), CASE WHEN count(*) = 1 THEN 'job is' ELSE 'jobs are' END, min(coalesce(m.timeout_seconds, 900))
    ) AS evidence,
    'vsl db psql -f database/queries/handbook/unfinished_jobs.sql'::text AS next,
    NULL::text AS unknown
FROM public.jobs t
LEFT JOIN public.model_configurations m ON m.model_id = t.model_id
WHERE t.status <> 'completed' AND t.status IN ('pending', 'processing')
    AND NOT t.driven
    AND t.created_at < now() - interval '5 minutes'
    AND t.updated_at < now() - make_interval(secs => coalesce(m.timeout_seconds, 900))
GROUP BY t.model_id;
