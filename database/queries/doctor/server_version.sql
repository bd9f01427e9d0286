-- For how many days more the makers of PostgreSQL repair the server's major version. Whether the newest of
-- its minor releases is installed cannot be told from inside.
SELECT
    format('PostgreSQL %s', current_setting('server_version')) AS subject,
    (e.until - current_date)::float8 AS value,
    NULL::text AS level,
    CASE
        WHEN e.until <= current_date THEN format('repairs of PostgreSQL %s ended on %s', v.major, e.until)
        ELSE format('PostgreSQL %s is repaired until %s', v.major, e.until)
    END AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM (SELECT current_setting('server_version_num')::integer / 10000 AS major) v
-- The days of the last releases, as postgresql.org/support/versioning has them.
JOIN (
    VALUES (14, date '2026-11-12'), (15, date '2027-11-11'), (16, date '2028-11-09'), (17, date '2029-11-08'), (18, date '2030-11-14')
) AS e (major, until) ON e.major = v.major;
