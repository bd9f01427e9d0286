-- The jobs that a worker holds.
-- The name comes from an application's, of which the server keeps 63 bytes, 11 of them before it.
SELECT j.job_id, d.phase, d.lease_until
FROM vsl.dispatch d
JOIN public.jobs j ON j.id = d.job_id
WHERE d.worker = %(worker)s::text
    OR octet_length(%(worker)s::text) >= 63 - 11 AND starts_with(d.worker, %(worker)s::text)
ORDER BY j.job_id;
