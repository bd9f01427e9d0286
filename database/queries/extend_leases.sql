-- A worker's heartbeat.
SELECT id, epoch, cancel_requested
FROM vsl.extend_leases(%(jobs)s::uuid[], %(epochs)s::bigint[], %(lease)s::double precision);
