-- How many rows each rule is about, and the first of those that are refused.
WITH judged AS MATERIALIZED (
    SELECT a.key, a.mends, a.refusals
    FROM {view} a
    WHERE cardinality(a.mends) + cardinality(a.refusals) > 0
),
refused AS (
    SELECT u.rule, j.key, row_number() OVER (PARTITION BY u.rule ORDER BY j.key) AS place
    FROM judged j
    CROSS JOIN unnest(j.refusals) AS u (rule)
)
SELECT true AS refused, r.rule, count(*) AS rows, array_agg(r.key ORDER BY r.key) FILTER (WHERE r.place <= 5) AS first
FROM refused r
GROUP BY r.rule
UNION ALL
SELECT false, u.rule, count(*), ARRAY[]::text[]
FROM judged j
CROSS JOIN unnest(j.mends) AS u (rule)
WHERE cardinality(j.refusals) = 0
GROUP BY u.rule
ORDER BY refused, rule;
