-- Deadlocks a minute since the snapshot. Even one is worth a note: a transaction was ended for it.
WITH moved AS (
    SELECT w.*, (w.current #>> '{database,deadlocks}')::float8 - (w.earlier #>> '{database,deadlocks}')::float8 AS deadlocks
    FROM vsl.health_window() w
)
SELECT
    'deadlocks' AS subject,
    m.deadlocks * 60 / m.seconds AS value,
    CASE
        WHEN m.missing IS NOT NULL THEN 'note'
        WHEN m.deadlocks > 0 AND m.deadlocks * 60 / m.seconds <= 5 THEN 'note'
    END AS level,
    coalesce(m.missing, format('%s deadlocks since %s', m.deadlocks, date_trunc('second', m.began))) AS evidence,
    CASE WHEN m.missing IS NOT NULL THEN 'Ask again later: vsl db doctor' END AS next,
    NULL::text AS unknown
FROM moved m;
