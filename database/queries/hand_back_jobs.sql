-- Give claims back.
SELECT * FROM vsl.hand_back_jobs(%(jobs)s::uuid[], %(epochs)s::bigint[]);
