-- The jobs are under way.
UPDATE floor_jobs SET status = 'processing', updated_at = now() WHERE id = ANY (%(jobs)s::uuid[]);
