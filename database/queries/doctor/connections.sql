-- Connections in use, in percent of what ordinary logins may have, and of the limits of roles and databases.
WITH sessions AS (
    -- Whoever has a user and a database: workers of the server have no user, senders of WAL no slot
    -- among these. It is told to every login.
    SELECT a.usename, a.datname, coalesce(a.state, 'hidden') AS state,
        coalesce(nullif(regexp_replace(a.application_name, '^(vsl \w+) .*', '\1'), ''), 'no name') AS application
    FROM pg_stat_activity a
    WHERE a.usesysid IS NOT NULL AND a.datid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
),
usable AS (
    SELECT
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) AS n
)
SELECT
    'the server'::text AS subject,
    (100.0 * count(s.*) / u.n)::float8 AS value,
    NULL::text AS level,
    format('%s of %s connections are in use', count(s.*), u.n) || coalesce((
        SELECT ': ' || string_agg(format('%s %s %s', g.n, g.application, g.state), ', ' ORDER BY g.n DESC, g.application, g.state)
        FROM (
            SELECT i.application, i.state, count(*) AS n FROM sessions i GROUP BY i.application, i.state
            ORDER BY count(*) DESC, i.application LIMIT 6
        ) g
    ), '') AS evidence,
    'vsl db connections'::text AS next,
    NULL::text AS unknown
FROM usable u
LEFT JOIN sessions s ON true
GROUP BY u.n
UNION ALL
SELECT
    format('role %s', r.rolname),
    100.0 * count(s.*) / r.rolconnlimit,
    NULL,
    format('%s of %s connections that the role may have', count(s.*), r.rolconnlimit),
    format('ALTER ROLE %I CONNECTION LIMIT %s;', r.rolname, 2 * r.rolconnlimit),
    NULL
FROM pg_roles r
LEFT JOIN sessions s ON s.usename = r.rolname
WHERE r.rolconnlimit > 0 AND NOT r.rolsuper
GROUP BY r.rolname, r.rolconnlimit
UNION ALL
SELECT
    format('database %s', d.datname),
    100.0 * count(s.*) / d.datconnlimit,
    NULL,
    format('%s of %s connections that the database may have', count(s.*), d.datconnlimit),
    format('ALTER DATABASE %I CONNECTION LIMIT %s;', d.datname, 2 * d.datconnlimit),
    NULL
FROM pg_database d
LEFT JOIN sessions s ON s.datname = d.datname
WHERE d.datconnlimit > 0
GROUP BY d.datname, d.datconnlimit;
