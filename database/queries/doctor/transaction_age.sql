-- How old the oldest transaction number in use is, by database, in transactions; of multixacts likewise.
-- At 2,147,483,648 numbers would run out: the server refuses writes a few million before.
SELECT
    format('database %s', d.datname) AS subject,
    greatest(age(d.datfrozenxid), mxid_age(d.datminmxid))::float8 AS value,
    NULL::text AS level,
    format('transactions %s, multixacts %s', age(d.datfrozenxid), mxid_age(d.datminmxid)) AS evidence,
    CASE
        WHEN d.datallowconn THEN 'vsl db doctor --only xmin-horizon,prepared-transactions,inactive-slots'
        ELSE format('ALTER DATABASE %I ALLOW_CONNECTIONS true;', d.datname)
    END AS next,
    NULL::text AS unknown
FROM pg_database d;
