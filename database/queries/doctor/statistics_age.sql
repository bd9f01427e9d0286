-- For how many days the server's counters have counted, when they began anew less than a day ago. What
-- is judged by counters of a lifetime, such as an index without scans, knows that time only.
SELECT
    current_database()::text AS subject,
    extract(epoch FROM now() - r.reset)::float8 / 86400 AS value,
    'note' AS level,
    format('the counters of this database began anew at %s', date_trunc('second', r.reset)) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM (SELECT d.stats_reset AS reset FROM pg_stat_database d WHERE d.datname = current_database()) r
WHERE r.reset > now() - interval '1 day'
    -- PostgreSQL 14 writes down a beginning when a database is made: that is no reset.
    AND (
        current_setting('server_version_num')::integer >= 150000
        OR EXISTS (SELECT FROM vsl.health_snapshots s WHERE s.taken_at < r.reset)
    );
