-- The outputs of some identifiers that are still there, with their jobs' public identifiers and
-- since when their files were seen to be missing or damaged.
CREATE OR REPLACE FUNCTION vsl.name_outputs(p_ids uuid[])
RETURNS TABLE (
    id uuid,
    job_id text,
    ordinal integer,
    storage_key text,
    file_size bigint,
    missing_since text,
    damaged_since text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
    SELECT o.id, j.job_id, o.ordinal, o.s3_key, o.file_size, o.metadata ->> 'missing_since', o.metadata ->> 'damaged_since'
    FROM public.media_outputs o
    JOIN public.jobs j ON j.id = o.job_id
    WHERE o.id = ANY (p_ids);
END;
COMMENT ON FUNCTION vsl.name_outputs(uuid[]) IS 'Outputs with their jobs and the marks of missing files.';
