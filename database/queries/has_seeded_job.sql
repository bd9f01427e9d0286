-- Whether a chunk of made-up jobs is there already, by its first.
SELECT EXISTS (SELECT FROM jobs WHERE job_id = 'bench-' || %(seed)s::integer || '-' || %(first)s::integer);
