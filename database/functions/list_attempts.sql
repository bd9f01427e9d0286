-- A job's attempts, for people who may read jobs.
CREATE OR REPLACE FUNCTION vsl.list_attempts(p_job_id text)
RETURNS TABLE (
    number smallint,
    run smallint,
    provider text,
    provider_id text,
    provider_status text,
    started_at timestamptz,
    ended_at timestamptz,
    outcome text,
    processing_time numeric,
    cost numeric,
    error_code text,
    error_message text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        a.number, a.run, a.provider, a.provider_id, a.provider_status, a.started_at, a.ended_at, a.outcome,
        a.processing_time, a.cost, a.error_code, a.error_message
    FROM vsl.attempts a
    JOIN public.jobs j ON j.id = a.job_id
    WHERE j.job_id = p_job_id
    ORDER BY a.number;
END;
COMMENT ON FUNCTION vsl.list_attempts(text) IS 'A job''s attempts, in order.';
