-- How long prepared transactions have waited for their second phase, in seconds.
SELECT
    format('prepared transaction %s', p.gid) AS subject,
    extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS value,
    NULL::text AS level,
    format('of %s in database %s; keeps its locks and %s transactions of dead rows, over restarts too', p.owner, p.database, age(p.transaction)) AS evidence,
    format('ROLLBACK PREPARED %L;', p.gid) AS next,
    NULL::text AS unknown
FROM pg_prepared_xacts p;
