-- Whether the money balances, for the 50,000 oldest live jobs and the 50,000 newest of the last week: the difference
-- in US dollars.
-- What is held must be what a live run holds, else nothing; what was charged must be what the runs of a job used.
-- The whole ledger: database/queries/handbook/ledger_balance.sql.
WITH span AS (
    -- Identifiers begin with their time in milliseconds, so the newest are found by the key.
    SELECT
        (lpad(to_hex((extract(epoch FROM now() - interval '7 days') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid AS since,
        (lpad(to_hex((extract(epoch FROM now() + interval '1 day') * 1000)::bigint), 12, '0') || repeat('f', 20))::uuid AS until
),
newest AS MATERIALIZED (
    SELECT l.job_id
    FROM vsl.ledger_entries l, span s
    WHERE l.job_id BETWEEN s.since AND s.until
        AND l.run = 1 AND NOT l.closes
    ORDER BY l.job_id DESC
    LIMIT 50000
),
looked_at AS MATERIALIZED (
    SELECT n.job_id FROM newest n
    UNION
    (SELECT d.job_id FROM vsl.dispatch d ORDER BY d.job_id LIMIT 50000)
),
compared AS (
    SELECT
        k.job_id,
        coalesce(d.held, 0) AS should_hold, coalesce(l.held, 0) AS holds,
        -- The usage of a deleted job stays, but no longer under its identifier.
        CASE WHEN j.id IS NULL THEN coalesce(l.charged, 0) ELSE coalesce(u.charged, 0) END AS used, coalesce(l.charged, 0) AS charged
    FROM looked_at k
    LEFT JOIN vsl.dispatch d ON d.job_id = k.job_id
    LEFT JOIN public.jobs j ON j.id = k.job_id
    CROSS JOIN LATERAL (
        SELECT sum(e.held) AS held, sum(e.charged) AS charged FROM vsl.ledger_entries e WHERE e.job_id = k.job_id
    ) l
    CROSS JOIN LATERAL (
        SELECT sum(t.actual_cost) AS charged FROM public.usage_tracking t WHERE t.job_id = k.job_id AND t.run IS NOT NULL
    ) u
)
SELECT
    f.subject, f.value, f.level, f.evidence, f.next, NULL::text AS unknown
FROM (
    SELECT
        'money held'::text AS subject,
        sum(abs(c.holds - c.should_hold))::float8 AS value,
        CASE WHEN bool_or(c.holds <> c.should_hold) THEN 'fail' END AS level,
        format(
            '%s jobs looked at: the ledger holds %s, live jobs %s%s', count(*), sum(c.holds), sum(c.should_hold),
            coalesce('; wrong for ' || (array_agg(c.job_id) FILTER (WHERE c.holds <> c.should_hold))[1], '')
        ) AS evidence,
        'vsl db psql -f database/queries/handbook/ledger_balance.sql'::text AS next
    FROM compared c
    UNION ALL
    SELECT
        'money charged',
        sum(abs(c.charged - c.used)),
        CASE WHEN bool_or(c.charged <> c.used) THEN 'fail' END,
        format(
            '%s jobs looked at: the ledger charged %s, their runs used %s%s', count(*), sum(c.charged), sum(c.used),
            coalesce('; wrong for ' || (array_agg(c.job_id) FILTER (WHERE c.charged <> c.used))[1], '')
        ),
        'vsl db psql -f database/queries/handbook/ledger_balance.sql'
    FROM compared c
) f
WHERE f.value IS NOT NULL;
