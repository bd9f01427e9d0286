-- How long objects in the store that no row refers to have waited for their removal, in seconds.
SELECT
    format('bucket %s', coalesce(d.bucket, 'not known')) AS subject,
    extract(epoch FROM clock_timestamp() - min(d.created_at))::float8 AS value,
    NULL::text AS level,
    format('%s %s, tried up to %s times', count(*), CASE WHEN count(*) = 1 THEN 'object waits' ELSE 'objects wait' END, max(d.tries)) AS evidence,
    CASE WHEN max(d.tries) = 0 THEN 'vsl worker' ELSE NULL END AS next,
    NULL::text AS unknown
FROM vsl.doomed_objects d
GROUP BY d.bucket;
