-- The share of transactions that were rolled back since the snapshot, in percent. Fewer than 1,000
-- transactions say nothing.
WITH moved AS (
    SELECT
        w.*,
        (w.current #>> '{database,commits}')::float8 - (w.earlier #>> '{database,commits}')::float8 AS commits,
        (w.current #>> '{database,rollbacks}')::float8 - (w.earlier #>> '{database,rollbacks}')::float8 AS rollbacks
    FROM vsl.health_window() w
)
SELECT
    'transactions' AS subject,
    CASE WHEN m.commits + m.rollbacks >= 1000 THEN 100 * m.rollbacks / (m.commits + m.rollbacks) END AS value,
    CASE WHEN m.missing IS NOT NULL OR m.commits + m.rollbacks < 1000 THEN 'note' END AS level,
    CASE
        WHEN m.missing IS NOT NULL THEN m.missing
        WHEN m.commits + m.rollbacks < 1000
            THEN format('only %s transactions since %s: too few to tell', m.commits + m.rollbacks, date_trunc('second', m.began))
        ELSE format('%s of %s transactions were rolled back since %s', m.rollbacks, m.commits + m.rollbacks, date_trunc('second', m.began))
    END AS evidence,
    CASE WHEN m.missing IS NOT NULL OR m.commits + m.rollbacks < 1000 THEN 'Ask again later: vsl db doctor' END AS next,
    NULL::text AS unknown
FROM moved m;
