-- How long leases of workers have been past due, in seconds.
-- Every worker frees such jobs every ten seconds, whosever they were: a lease that stays past due says that no worker lives.
SELECT
    format('worker %s', d.worker) AS subject,
    extract(epoch FROM clock_timestamp() - min(d.lease_until))::float8 AS value,
    NULL::text AS level,
    format('%s %s held past the lease', count(*), CASE WHEN count(*) = 1 THEN 'job is' ELSE 'jobs are' END) AS evidence,
    format('vsl worker --lanes %s', string_agg(DISTINCT d.lane, ',')) AS next,
    NULL::text AS unknown
FROM vsl.dispatch d
WHERE d.worker IS NOT NULL AND d.lease_until < now()
GROUP BY d.worker;
