-- How many rows have something in columns that VSL has no place for.
SELECT e.key AS "column", count(*) AS rows
FROM {view} o
CROSS JOIN LATERAL jsonb_each(o.r) e
WHERE e.key = ANY (o.extra) AND e.value <> 'null'
GROUP BY e.key
ORDER BY e.key;
