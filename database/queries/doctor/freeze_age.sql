-- How old the oldest transaction or multixact number in use is, by database, in percent of the age at which
-- autovacuum freezes rows whatever happens (autovacuum_freeze_max_age, autovacuum_multixact_freeze_max_age).
-- Well above 100, it does not get through: something holds it back, or is too slow.
SELECT
    format('database %s', d.datname) AS subject,
    greatest(
        100.0 * age(d.datfrozenxid) / current_setting('autovacuum_freeze_max_age')::integer,
        100.0 * mxid_age(d.datminmxid) / current_setting('autovacuum_multixact_freeze_max_age')::integer
    )::float8 AS value,
    NULL::text AS level,
    format(
        'transactions %s of %s, multixacts %s of %s',
        age(d.datfrozenxid), current_setting('autovacuum_freeze_max_age'),
        mxid_age(d.datminmxid), current_setting('autovacuum_multixact_freeze_max_age')
    ) AS evidence,
    'vsl db doctor --only xmin-horizon,prepared-transactions,inactive-slots'::text AS next,
    NULL::text AS unknown
FROM pg_database d;
