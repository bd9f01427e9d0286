-- The share of jobs that failed, in percent, among those submitted in the last hour that have ended.
-- Fewer than 20 ended jobs say too little; what the last day was like stands beside it.
WITH periods AS (
    SELECT p.name, p.since
    FROM (VALUES ('hour', now() - interval '1 hour'), ('day', now() - interval '1 day')) AS p (name, since)
),
counted AS (
    SELECT
        p.name,
        (SELECT count(*) FROM public.jobs j WHERE j.created_at > p.since) AS submitted,
        (
            SELECT count(*) FROM public.jobs j
            WHERE j.status <> 'completed' AND j.status IN ('pending', 'processing') AND j.created_at > p.since
        ) AS live,
        (SELECT count(*) FROM public.jobs j WHERE j.status <> 'completed' AND j.status = 'cancelled' AND j.created_at > p.since) AS cancelled,
        (SELECT count(*) FROM public.jobs j WHERE j.status <> 'completed' AND j.status = 'failed' AND j.created_at > p.since) AS failed
    FROM periods p
),
shares AS (
    SELECT c.name, c.failed, c.submitted - c.live - c.cancelled AS ended, 100.0 * c.failed / nullif(c.submitted - c.live - c.cancelled, 0) AS share
    FROM counted c
),
reasons AS (
    SELECT string_agg(format('%s %s', r.n, r.code), ', ' ORDER BY r.n DESC, r.code) AS list
    FROM (
        SELECT coalesce(j.error_code, 'without a code') AS code, count(*) AS n
        FROM public.jobs j
        WHERE j.status <> 'completed' AND j.status = 'failed' AND j.created_at > now() - interval '1 hour'
        GROUP BY 1 ORDER BY 2 DESC LIMIT 5
    ) r
)
SELECT
    'the last hour'::text AS subject,
    h.share::float8 AS value,
    CASE WHEN h.ended < 20 AND h.failed > 0 THEN 'note' END AS level,
    format(
        '%s of %s jobs failed%s%s; of the last day %s %%',
        h.failed, h.ended,
        coalesce(' (' || r.list || ')', ''),
        CASE WHEN h.ended < 20 AND h.failed > 0 THEN ', which is too few to judge before 20 have ended' ELSE '' END,
        round(coalesce(d.share, 0), 1)
    ) AS evidence,
    'vsl jobs list --status failed'::text AS next,
    NULL::text AS unknown
FROM shares h
JOIN shares d ON d.name = 'day'
CROSS JOIN reasons r
WHERE h.name = 'hour';
