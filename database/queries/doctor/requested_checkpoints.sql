-- The share of checkpoints since the snapshot that came before their time, in percent: because the
-- write-ahead log had reached max_wal_size, or because somebody asked. Fewer than five say nothing.
WITH moved AS (
    SELECT
        w.*,
        (w.current #>> '{checkpoints,timed}')::float8 - (w.earlier #>> '{checkpoints,timed}')::float8 AS timed,
        (w.current #>> '{checkpoints,requested}')::float8 - (w.earlier #>> '{checkpoints,requested}')::float8 AS requested
    FROM vsl.health_window() w
)
SELECT
    'checkpoints' AS subject,
    CASE WHEN m.requested >= 5 THEN 100 * m.requested / (m.timed + m.requested) END AS value,
    CASE WHEN m.missing IS NOT NULL THEN 'note' WHEN m.requested < 5 THEN 'ok' END AS level,
    coalesce(
        m.missing,
        format(
            '%s of %s checkpoints since %s were requested; max_wal_size is %s', m.requested, m.timed + m.requested, date_trunc('second', m.began),
            current_setting('max_wal_size')
        )
    ) AS evidence,
    CASE WHEN m.missing IS NOT NULL THEN 'Ask again later: vsl db doctor' END AS next,
    NULL::text AS unknown
FROM moved m;
