-- The rows of media_outputs that were just made, as a file would hold them.
COPY (
    SELECT t.*
    FROM media_outputs t JOIN jobs j ON j.id = t.job_id
    WHERE j.job_id IN (SELECT 'bench-1-' || n FROM generate_series(%(first)s::integer, %(last)s::integer) n)
) TO STDOUT;
