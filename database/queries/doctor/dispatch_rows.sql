-- Whether live jobs and the dispatch table agree: rows of one without the other.
-- Triggers and functions keep them together, so any is a sign that they were bypassed.
SELECT
    'vsl.dispatch'::text AS subject,
    count(*)::float8 AS value,
    NULL::text AS level,
    format('%s rows of jobs that are not there or have ended, such as %s', count(*), (array_agg(o.job_id))[1]) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM (
    SELECT d.job_id
    FROM vsl.dispatch d
    LEFT JOIN public.jobs j ON j.id = d.job_id
    WHERE j.id IS NULL OR j.status NOT IN ('pending', 'processing') OR NOT j.driven
) o
HAVING count(*) > 0
UNION ALL
SELECT
    'jobs',
    count(*),
    NULL,
    format('%s live jobs that VSL should run and nobody will, such as %s', count(*), (array_agg(o.job_id))[1]),
    NULL,
    NULL
FROM (
    SELECT j.job_id
    FROM public.jobs j
    WHERE j.status <> 'completed' AND j.status IN ('pending', 'processing') AND j.driven
        AND NOT EXISTS (SELECT FROM vsl.dispatch d WHERE d.job_id = j.id)
) o
HAVING count(*) > 0;
