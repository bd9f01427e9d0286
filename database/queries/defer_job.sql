-- Let go of a job that something holds up, and say what.
SELECT vsl.defer_job(
    %(job)s::uuid, %(epoch)s::bigint, %(seconds)s::double precision, %(code)s::text, %(message)s::text,
    %(withdraw)s::boolean, %(unknown)s::boolean
);
