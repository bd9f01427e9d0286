-- How many files an hour statements wrote because a sort or a hash did not fit into work_mem, since
-- the snapshot. Many and large ones are a warning.
WITH moved AS (
    SELECT
        w.*,
        (w.current #>> '{database,temp_files}')::float8 - (w.earlier #>> '{database,temp_files}')::float8 AS files,
        (w.current #>> '{database,temp_bytes}')::float8 - (w.earlier #>> '{database,temp_bytes}')::float8 AS bytes
    FROM vsl.health_window() w
)
SELECT
    'temporary files' AS subject,
    m.files * 3600 / m.seconds AS value,
    CASE
        WHEN m.missing IS NOT NULL THEN 'note'
        WHEN m.files < 10 OR m.files * 3600 / m.seconds < 10 THEN 'ok'
        WHEN m.bytes * 3600 / m.seconds >= 1024 ^ 3 THEN 'warn'
        ELSE 'note'
    END AS level,
    coalesce(
        m.missing,
        format('%s files, %s together, since %s; work_mem is %s', m.files, pg_size_pretty(m.bytes::bigint), date_trunc('second', m.began), current_setting('work_mem'))
    ) AS evidence,
    CASE WHEN m.missing IS NOT NULL THEN 'Ask again later: vsl db doctor' END AS next,
    NULL::text AS unknown
FROM moved m;
