-- The rows of jobs that were just made, as a file would hold them.
COPY (
    SELECT t.*
    FROM jobs t
    WHERE t.job_id IN (SELECT 'bench-1-' || n FROM generate_series(%(first)s::integer, %(last)s::integer) n)
) TO STDOUT;
