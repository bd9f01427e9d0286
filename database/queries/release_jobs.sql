-- Let go of jobs that have to wait.
SELECT * FROM vsl.release_jobs(%(jobs)s::uuid[], %(epochs)s::bigint[], %(seconds)s::double precision[]);
