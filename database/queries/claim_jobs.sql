-- Claim due jobs of a worker's lanes.
SELECT * FROM vsl.claim_jobs(%(worker)s::text, %(lanes)s::text[], %(count)s::integer, %(lease)s::double precision);
