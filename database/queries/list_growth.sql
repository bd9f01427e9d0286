-- What the rows of each table, and the database as a whole, have gained in bytes since a week ago.
-- By the newest snapshot that is a week old; of tables both sizes are those that vacuum wrote down.
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    (c.relpages - (t.value ->> 'pages')::bigint) * current_setting('block_size')::bigint AS growth,
    pg_database_size(current_database()) - (s.measures #>> '{database,size}')::bigint AS database_growth,
    s.taken_at
FROM (
    SELECT h.measures, h.taken_at
    FROM vsl.health_snapshots h
    WHERE h.taken_at <= now() - interval '7 days'
    ORDER BY h.taken_at DESC
    LIMIT 1
) s
CROSS JOIN LATERAL jsonb_each(s.measures -> 'tables') t
JOIN pg_class c ON c.oid::text = t.key
JOIN pg_namespace n ON n.oid = c.relnamespace;
