-- Whether the archiving of WAL fails: seconds since the last failure, when no success came after it.
SELECT
    'archive_command'::text AS subject,
    CASE WHEN a.failing THEN extract(epoch FROM clock_timestamp() - a.last_failed_time) ELSE 0 END::float8 AS value,
    CASE WHEN a.failing THEN 'fail' END AS level,
    CASE
        WHEN current_setting('archive_mode') = 'off' THEN 'WAL is not archived on this server'
        WHEN a.failing THEN format(
            '%s failed %s s ago, %s; %s failures since %s', a.last_failed_wal,
            round(extract(epoch FROM clock_timestamp() - a.last_failed_time)),
            coalesce(format('the last success was %s s ago', round(extract(epoch FROM clock_timestamp() - a.last_archived_time))), 'nothing was ever archived'),
            a.failed_count, to_char(a.stats_reset, 'YYYY-MM-DD')
        )
        ELSE format('the last success: %s', coalesce(a.last_archived_wal, 'none yet'))
    END AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM (
    SELECT s.*, current_setting('archive_mode') <> 'off' AND s.last_failed_time IS NOT NULL
        AND s.last_failed_time >= coalesce(s.last_archived_time, '-infinity') AS failing
    FROM pg_stat_archiver s
) a;
